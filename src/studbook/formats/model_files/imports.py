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
        "distutils", "ntpath", "_posixsubprocess", "_socket", "_ctypes", "_osx_support", "_aix_support", "_pyrepl", "_winapi",
        "winreg", "shelve", "dbm", "sqlite3", "_sqlite3", "socketserver", "imaplib", "poplib", "nntplib", "mailbox", "mailcap",
        "mimetypes", "fileinput", "glob", "py_compile", "compileall", "turtledemo", "turtle", "tkinter", "test", "cgitb", "uuid",
        "zipapp", "atexit", "readline", "rlcompleter", "cmd", "antigravity", "this", "modulefinder", "symtable", "sched",
        "selectors", "ast", "dis", "opcode", "wsgiref", "netrc", "getpass", "crypt", "cffi", "_cffi_backend", "pyximport",
        "Cython", "numba", "sympy", "psutil", "sh", "plumbum", "invoke", "yaml", "jsonpickle",
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
        "operator.attrgetter", "operator.itemgetter", "operator.methodcaller", "operator.call", "_operator.attrgetter",
        "_operator.itemgetter", "_operator.methodcaller", "_operator.call", "torch.storage._load_from_bytes",
        "torch.utils._config_module.load_config", "pandas.core.computation.eval.eval", "pandas.eval",
        "numpy.distutils.exec_command.exec_command", "torch.load",
        "torch.hub.load", "torch.serialization.load", "torch.jit.load", "numpy.load",
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


# What pickles of models and arrays are made of.
_KNOWN_NAMES: Final = frozenset(
    {
        "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque",
        "copyreg._reconstructor", "copy_reg._reconstructor", "_codecs.encode", "datetime.datetime", "datetime.date",
        "datetime.timedelta", "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "array.array",
        "array._array_reconstructor", "joblib.numpy_pickle.NumpyArrayWrapper", "argparse.Namespace", "torch.Size",
        "torch.device", "torch.dtype", "torch.serialization._get_layout", "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.restore_type_tag",
    }
)  # fmt: skip
# Packages whose classes models are made of. Each of them has functions too: those that are dangerous stand above.
_KNOWN_PACKAGES: Final = (
    "numpy.core.multiarray.", "numpy._core.multiarray.", "numpy.core.numeric.", "numpy._core.numeric.", "numpy.random.",
    "numpy.ndarray", "numpy.dtype", "numpy.matrixlib.", "numpy.ma.", "numpy.dtypes.", "scipy.sparse.", "scipy.spatial.",
    "scipy.stats.", "scipy.interpolate.", "sklearn.", "xgboost.", "lightgbm.", "catboost.", "pandas.core.", "pandas._libs.",
    "torch._utils._rebuild", "torch._tensor.", "torch.nn.", "torch.optim.", "torch.Tensor", "torch.FloatStorage",
    "torch.HalfStorage", "torch.BFloat16Storage", "torch.DoubleStorage", "torch.IntStorage", "torch.LongStorage",
    "torch.ShortStorage", "torch.CharStorage", "torch.ByteStorage", "torch.BoolStorage", "torch.storage.UntypedStorage",
    "torch.storage.TypedStorage", "__torch__.",
)  # fmt: skip
_NUMPY_SCALARS: Final = frozenset(
    {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool_"}
)


def is_known(module: str, name: str) -> bool:
    """Whether what is imported is known to be a part that models are made of; ask `is_dangerous` first."""
    whole = f"{module}.{name}"
    known = module in _BUILTINS or whole in _KNOWN_NAMES or whole.startswith(_KNOWN_PACKAGES)
    return known or (module == "numpy" and name in _NUMPY_SCALARS)
