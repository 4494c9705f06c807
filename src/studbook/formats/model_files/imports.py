"""What a pickle would import when it is loaded, by the danger of it."""

from __future__ import annotations

from typing import Final

# Whatever is called there runs commands, code or loads, opens or removes files.
_DANGEROUS_MODULES: Final = frozenset(
    {
        "os", "posix", "nt", "posixpath", "subprocess", "sys", "socket", "shutil", "runpy", "importlib", "imp", "webbrowser",
        "ctypes", "pty", "commands", "code", "codeop", "multiprocessing", "asyncio", "pickle", "_pickle", "cPickle", "dill",
        "cloudpickle", "marshal", "types", "functools", "pydoc", "timeit", "bdb", "pdb", "profile", "cProfile", "trace",
        "doctest",
        "requests", "urllib", "urllib2", "http", "httplib", "ftplib", "smtplib", "telnetlib", "tempfile", "pathlib", "io", "_io",
        "platform", "signal", "pkgutil", "pip", "setuptools", "venv", "ensurepip", "idlelib", "lib2to3", "unittest", "logging",
        "linecache", "inspect", "gc", "site", "zipimport", "zipfile", "tarfile", "threading", "_thread", "concurrent", "builtin",
        "IPython", "aiohttp", "paramiko", "fabric", "xmlrpc", "ssl", "select", "resource", "mmap", "fcntl", "syslog", "cgi",
    }
)  # fmt: skip
_BUILTINS: Final = frozenset({"builtins", "__builtin__", "__builtins__"})
_HARMLESS_BUILTINS: Final = frozenset(
    {
        "object", "set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "bytes", "bytearray", "complex",
        "slice", "range", "xrange", "long", "unicode", "Ellipsis", "NotImplemented", "Exception", "ValueError", "TypeError",
        "KeyError", "RuntimeError",
    }
)  # fmt: skip
_DANGEROUS_NAMES: Final = frozenset(
    {
        "operator.attrgetter", "operator.itemgetter", "operator.methodcaller", "_operator.attrgetter", "_operator.itemgetter",
        "_operator.methodcaller", "torch.load", "torch.hub.load", "torch.serialization.load", "torch.jit.load", "numpy.load",
        "joblib.load", "joblib.numpy_pickle.load", "pandas.read_pickle", "pandas.io.pickle.read_pickle",
        "torch._inductor.codecache.compile_file", "torch.utils.bottleneck.__main__.run_cprofile",
        "torch.utils.collect_env.run", "numpy.testing._private.utils.runstring", "numpy.f2py.crackfortran.getlincoef",
    }
)  # fmt: skip


def is_dangerous(module: str, name: str) -> bool:
    """Whether what is imported can run what whoever wrote the file wants, rather than only build objects of the model.

    What is not known here is no proof of danger: it is code of a package that the file trusts.
    """
    top = module.partition(".")[0]
    if module in _BUILTINS:
        return name.partition(".")[0] not in _HARMLESS_BUILTINS
    # A dotted name walks from the module through its imports: numpy's `os.system` is the system's.
    parts = name.split(".")
    inner = len(parts) > 1 and any(part in _DANGEROUS_MODULES or part.startswith("__") for part in parts)
    return top in _DANGEROUS_MODULES or inner or f"{module}.{name}" in _DANGEROUS_NAMES
