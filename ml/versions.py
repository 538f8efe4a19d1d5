"""Versions of what decides how a model comes out and what it answers, and which of them changed."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

_PACKAGES: Final = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")


def versions() -> dict[str, str]:
    """Those of this process, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def differing_versions(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Versions that two models' metrics name differently: packages, ClickHouse and Airflow.

    >>> differing_versions({"versions": {"numpy": "1"}}, {"versions": {"numpy": "2"}})
    {'numpy': '1 -> 2'}
    """
    before, after = (
        {**(metrics.get("versions") or {}), **(metrics.get("platform") or {})}
        for metrics in (old, new)
    )
    return {
        name: f"{before[name]} -> {after[name]}"
        for name in before
        if name in after and before[name] != after[name]
    }
