"""What the Trainer of Transformers leaves beside a checkpoint: `trainer_state.json` and `training_args.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from studbook.formats.model_files.finding import Finding, Measured
from studbook.formats.model_files.json_yaml import find_count, find_number, find_text, list_objects, read_object, scalars

if TYPE_CHECKING:
    from pathlib import Path

# A log has an entry every few steps.
_LOG_LENGTH: Final = 1_000_000
_STATE: Final = ("max_steps", "num_train_epochs", "train_batch_size", "eval_steps", "logging_steps", "save_steps")
# Measured of the machine rather than of the model.
_SPEED: Final = ("_per_second", "_runtime", "_timing", "_mem_", "_flos")
# Not metrics of an evaluation: where the entry stands, and how the optimizer stood.
_PLACES: Final = frozenset({"epoch", "step", "learning_rate", "grad_norm", "total_flos"})
# Names, rather than everything that is there: arguments hold tokens, host names and paths of home folders too.
_ARGUMENTS: Final = (
    "learning_rate", "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps",
    "num_train_epochs", "max_steps", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "optim",
    "lr_scheduler_type", "warmup_ratio", "warmup_steps", "seed", "data_seed", "fp16", "bf16", "tf32", "gradient_checkpointing",
    "label_smoothing_factor", "group_by_length", "neftune_noise_alpha", "metric_for_best_model", "greater_is_better",
    "load_best_model_at_end", "max_seq_length", "max_length", "packing", "beta", "loss_type",
)  # fmt: skip


def read_trainer_state(path: Path, shown: str) -> Finding | None:
    """`trainer_state.json`: steps and epochs, the best metric, and the last value of each thing that was measured.

    Raises ModelFileError.
    """
    data = read_object(path, shown)
    if data.keys().isdisjoint({"global_step", "log_history"}):
        return None
    steps, epoch, best = find_count(data.get("global_step")), find_number(data.get("epoch")), find_number(data.get("best_metric"))
    facts = {"steps": steps, "epochs": epoch, "best_metric": best, "best_step": find_count(data.get("best_global_step"))}
    return Finding(
        format="trainer-state",
        path=shown,
        library="transformers",
        metrics=_list_last(list_objects(data.get("log_history"), _LOG_LENGTH)),
        parameters=scalars(data, _STATE),
        facts={name: value for name, value in facts.items() if value is not None},
    )


def read_training_arguments(path: Path, shown: str) -> Finding | None:
    """`training_args.json`: the hyperparameters, of a fixed list of names. Raises ModelFileError."""
    parameters = scalars(read_object(path, shown), _ARGUMENTS)
    return Finding(format="training-arguments", path=shown, parameters=parameters) if parameters else None


def _list_last(log: list[dict[str, Any]]) -> tuple[Measured, ...]:
    """The last value of each metric; `eval_…` was measured on the evaluation set, everything else on the training set."""
    last: dict[str, float] = {}
    for entry in log:
        for key, value in entry.items():
            number = find_number(value)
            if number is not None and key not in _PLACES and not any(mark in key for mark in _SPEED):
                last[key] = number
                if len(last) > _LAST_LENGTH:
                    return _as_measured(last)
    return _as_measured(last)


_LAST_LENGTH: Final = 1000


def _as_measured(last: dict[str, float]) -> tuple[Measured, ...]:
    names = [(find_text(name, 200), value) for name, value in last.items()]
    return tuple(
        Measured(name, value, split="validation" if name.startswith("eval_") else "training") for name, value in names if name
    )
