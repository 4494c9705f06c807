"""Whole documents as people would write them, each true to what is published of its subject."""

from __future__ import annotations

from typing import Any

# The first version that `studbook demo` trains; the values are those that it measures.
TUMOUR_CLASSIFIER: dict[str, Any] = {
    "description": "ten shallow trees",
    "parameters": {
        "estimator": "RandomForestClassifier",
        "n_estimators": 10,
        "max_depth": 2,
        "class_weight": None,
        "random_state": 0,
    },
    "metrics": [
        {"name": "roc_auc", "value": 0.9678197064989517, "dataset": "tumours-test", "split": "test"},
        {"name": "log_loss", "value": 0.21051684093154482, "dataset": "tumours-test", "split": "test"},
        {"name": "recall", "value": 0.8301886792452831, "dataset": "tumours-test", "split": "test"},
        {
            "name": "recall",
            "value": 0.5,
            "dataset": "tumours-test",
            "split": "test",
            "slice": {"mean_radius": "below the median"},
            "recorded_at": "2026-03-01T12:00:00Z",
        },
    ],
    "artifacts": [{"uri": "file:///models/tumour-classifier-1.joblib", "media_type": "application/x-joblib"}],
    "tags": {"library": "scikit-learn"},
    "identifiers": {"studbook_demo": "tumour-classifier-1"},
    "attributes": {
        "license": "Apache-2.0",
        "risk_class": "minimal",
        "risk_rationale": "Shows what a registry does; no patient is ever examined with it.",
        "task": "tabular-classification",
        "domains": ["oncology"],
        "framework": "scikit-learn",
        "format": "joblib",
        "architecture": "RandomForestClassifier",
        "architecture_family": "decision trees",
        "learning_approach": "supervised",
        "modalities": {"input": ["tabular"], "output": ["tabular"]},
        "inputs": [{"name": "mean_radius", "type": "float64", "description": "mean radius of the cell nuclei in the image"}],
        "general_purpose": False,
        "intended_use": {
            "purpose": "Tells malignant from benign breast tumours in the course of a demonstration.",
            "users": ["people who try Studbook"],
            "out_of_scope": ["any medical use"],
            "foreseeable_misuse": ["taken for a diagnosis because it is called a classifier of tumours"],
        },
        "limitations": ["Misses half of the malignant tumours whose mean radius lies below the median."],
        "training": {"procedure": "Fitted to half of the training rows.", "stage": "pre-training", "seed": 0},
        "data": {
            "personal_data": False,
            "test_independence": "The test rows were split off first; no version is fitted to them.",
            "datasets": [
                {
                    "dataset": "tumours-train",
                    "role": "training",
                    "license": "CC-BY-4.0",
                    "sensitivity": "public",
                    "rows": 159,
                    "origin": "UCI Machine Learning Repository, Breast Cancer Wisconsin (Diagnostic)",
                    "statistics": {"labels": {"malignant": 59, "benign": 100}},
                },
                {"dataset": "tumours-test", "role": "test", "rows": 143},
            ],
        },
        "evaluation": {
            "metrics_rationale": "A malignant tumour that is missed is the worst error, so recall is measured beside ROC AUC.",
            "acceptance_criteria": [{"metric": "roc_auc", "dataset": "tumours-test", "split": "test", "at_least": 0.95}],
            "decision_thresholds": {"malignant": 0.5},
        },
        "human_oversight": {"autonomous": False},
        "software": {"python": ">=3.11", "scikit-learn": ">=1.6"},
    },
}

# After its card on Hugging Face.
ZEPHYR: dict[str, Any] = {
    "description": "Mistral-7B-v0.1 tuned to follow instructions, by direct preference optimization.",
    "parameters": {"learning_rate": 5e-07, "seed": 42, "lr_scheduler_type": "linear", "warmup_ratio": 0.1, "num_epochs": 3.0},
    "metrics": [
        {"name": "mt_bench", "value": 7.34, "dataset": "mt-bench"},
        {"name": "alpaca_eval_win_rate", "value": 90.6, "dataset": "alpaca-eval"},
    ],
    "artifacts": [{"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}],
    "identifiers": {"hugging_face": "HuggingFaceH4/zephyr-7b-beta"},
    "attributes": {
        "license": "MIT",
        "task": "text-generation",
        "framework": "transformers",
        "format": "safetensors",
        "architecture": "MistralForCausalLM",
        "architecture_family": "transformer",
        "parameter_count": 7_241_732_096,
        "precision": "bfloat16",
        "languages": ["en"],
        "modalities": {"input": ["text"], "output": ["text"]},
        "general_purpose": True,
        "provider": {"name": "Hugging Face H4", "url": "https://huggingface.co/HuggingFaceH4"},
        "intended_use": {"purpose": "Chat, for education and research."},
        "limitations": ["Not aligned to human preferences for safety: it can give problematic answers when asked to."],
        "training": {
            "procedure": "Supervised fine-tuning, then direct preference optimization.",
            "stage": "fine-tuning",
            "seed": 42,
        },
        "data": {
            "summary": "Publicly available, synthetic dialogues, and answers ranked by a model.",
            "datasets": [
                {"dataset": "HuggingFaceH4/ultrachat_200k", "role": "training", "synthetic": True, "languages": ["en"]},
                {"dataset": "HuggingFaceH4/ultrafeedback_binarized", "role": "training", "synthetic": True},
            ],
        },
        "known_issues": [{"summary": "Biases of the base model's training data, which is not known."}],
        "references": ["https://arxiv.org/abs/2310.16944"],
    },
}

# Every kind of location, and what only a high-risk model needs; the credit bank is made up.
CREDIT_SCORE: dict[str, Any] = {
    "attributes": {
        "license": "LicenseRef-proprietary",
        "risk_class": "high",
        "high_risk_area": "essential-services",
        "materiality": "tier 1",
        "release_date": "2026-11-25",
        "expected_lifetime": "P1095D",
        "maintenance_interval": "PT2160H",
        "provider": {"name": "Example Credit Bank", "country": "AT"},
        "contacts": [{"name": "A. Example", "role": "model owner", "email": "a@example.org"}],
        "training": {
            "flops": 1e25,
            "gpu_hours": 0.5,
            "started_at": "2026-11-01T08:00:00+01:00",
            "ended_at": "2026-11-01T08:30:00+01:00",
            "energy_kwh": 0.4,
            "energy_method": "measured at the socket",
            "carbon_kg": 0.08,
        },
        "human_oversight": {
            "measures": "Each refusal is read by a clerk who can reverse it.",
            "persons": [{"name": "B. Example", "competence": "two days of training, authority to stop the model"}],
        },
        "evaluation": {"report": {"uri": "s3://evidence/report.pdf", "digest": f"sha256:{'a' * 64}", "language": "de"}},
        "monitoring": {"next_review": "2027-05-25", "logs": [{"uri": "s3://logs/credit", "retention_days": 200}]},
        "retention": {"keep_until": "2036-11-25", "basis": "ten years after it was placed on the market"},
        "standards": [{"reference": "ISO/IEC 42001:2023", "extent": "full"}],
        "predetermined_changes": [{"change": "refitted every quarter", "verification": "the acceptance criteria hold"}],
        "eu_registration": {"id": "EU-0001", "section": "A", "member_states": ["AT"]},
        "extra": {"cost_centre": 4711, "anything": {"at": ["all"]}},
    }
}

# The training part of the UCI repository's Adult data: data about people, with what is known of it.
CENSUS: dict[str, Any] = {
    "name": "adult-train",
    "digest": f"sha256:{'5' * 64}",
    "role": "training",
    "uri": "https://archive.ics.uci.edu/dataset/2/adult",
    "rows": 32_561,
    "license": "CC-BY-4.0",
    "sensitivity": "personal",
    "description": "People in the 1994 census of the USA, and whether they earn more than 50,000 dollars a year.",
    "schema": {"age": "int", "sex": "str", "race": "str", "income": "str"},
    "profile": {
        "origin": "The census database of the USA of 1994, by way of the UCI Machine Learning Repository.",
        "collection_process": "Selected records of people over 16 who work and have income.",
        "collection_period": {"start": "1994-01-01", "end": "1994-12-31"},
        "original_purpose": "population statistics",
        "legal_basis": "public data; there is no consent of those described",
        "personal_data": True,
        "personal_data_description": "Age, sex, race, family, work and country of birth; no names or addresses.",
        "special_categories": ["racial or ethnic origin"],
        "data_types": ["structured", "categorical", "numeric"],
        "statistics": {
            "columns": {
                "workclass": {"type": "text", "missing": 1836},
                "occupation": {"type": "text", "missing": 1843},
                "native-country": {"type": "text", "missing": 583},
                "age": {"type": "integer", "minimum": 17, "maximum": 90},
            },
            "labels": {"<=50K": 24_720, ">50K": 7_841},
            "groups": {"sex": {"Male": 21_790, "Female": 10_771}},
        },
        "missing_data": "Written as a question mark in the source.",
        "known_biases": ["Two of three rows are about men."],
        "gaps": ["Incomes of 1994 say little about incomes today."],
        "availability": "direct-download",
    },
}

RUN: dict[str, Any] = {
    "kind": "training",
    "status": "completed",
    "name": "tumour-classifier-1",
    "job": "tumour-classifier-training",
    "experiment": "studbook-demo",
    "code": {"commit": "97e7a56", "dirty": False, "entry_point": "train.py", "command": "python train.py"},
    "environment": {
        "python": "3.11.7",
        "packages": {"scikit-learn": "1.7.2"},
        "hardware": {"cpu_count": 2, "memory_bytes": 8_589_934_592, "gpus": [{"name": "NVIDIA L4", "driver": "580.65"}]},
        "container": {"image": "registry.example.org/train:2026.3", "digest": f"sha256:{'b' * 64}"},
        "energy_kwh": 0.002,
        "extra": {"queue": "nightly"},
    },
    "seed": 0,
    "started_at": "2026-03-01T12:00:00Z",
    "ended_at": "2026-03-01T12:00:04Z",
    "metrics": [{"name": "loss", "value": 0.3, "step": 1}],
    "identifiers": {"mlflow_run": "8a1f"},
}

DEPLOYMENT: dict[str, Any] = {
    "version": "models/credit-score/versions/1",
    "target": "prod/eu",
    "url": "https://score.example.org",
    "attributes": {
        "environment": "production",
        "deployer": "Example Credit Bank",
        "strategy": "canary",
        "traffic_share": 0.1,
        "serving": {"mode": "online", "image_digest": f"sha256:{'c' * 64}", "latency_ms": 80},
        "human_oversight": {"roles": ["credit clerk"], "suspension": "The clerk's screen has a switch."},
        "monitoring": {"logs": [{"uri": "s3://logs/credit", "retention_days": 200}]},
        "fundamental_rights_impact_assessment": {"uri": "s3://evidence/fria.pdf", "digest": f"sha256:{'d' * 64}"},
        "workers_informed_on": "2026-11-01",
        "extra": {"cost_centre": 4711},
    },
}

MODEL: dict[str, Any] = {
    "description": "tells malignant from benign breast tumours",
    "owners": [{"name": "Screening team", "email": "screening@example.org"}],
    "tags": {"team": "screening"},
}

EVALUATION: dict[str, Any] = {
    "run": RUN | {"kind": "evaluation"},
    "datasets": [CENSUS | {"role": "evaluation"}],
    "metrics": [{"name": "accuracy", "value": 0.85, "slice": {"sex": "Female"}}],
}
