"""The rules of the data gate, top to bottom, each with what it expects in words."""

from collections.abc import Sequence
from typing import Any

import great_expectations as gx
from great_expectations import expectations as gxe

from expectations.class_balance import ExpectClassBalance
from expectations.column_rules import ExpectColumnNewestToBeFresh, ExpectColumnValuesToBeFinite
from expectations.thresholds import Thresholds

SUITE_NAME = "labelled_samples"


def build_suite(
    features: Sequence[str], regimes: Sequence[str], thresholds: Thresholds, label: str
) -> gx.ExpectationSuite:
    """Lists the rules for a frozen table of labelled samples.

    Args:
        features: the model's input columns.
        regimes: the known labels.
        thresholds: the bounds.
        label: the label's column.

    Returns:
        A suite whose expectations carry `rule` and `expected` in their meta data.
    """
    t = thresholds
    rules = [
        gxe.ExpectTableRowCountToBeBetween(
            min_value=t.min_samples,
            **_words("labelled samples", f"at least {t.min_samples}"),
        ),
        gxe.ExpectColumnUniqueValueCountToBeBetween(
            column=label,
            min_value=t.min_classes,
            **_words("different regimes", f"at least {t.min_classes}"),
        ),
        ExpectClassBalance(
            column=label,
            classes=list(regimes),
            min_samples=t.min_samples_per_class,
            min_share=t.min_class_share,
            max_share=t.max_class_share,
            **_words(
                "class balance",
                f"each regime that occurs at least {t.min_samples_per_class} samples and "
                f"{t.min_class_share:.1%} to {t.max_class_share:.1%} of all",
            ),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column=label,
            value_set=list(regimes),
            **_words("known labels", ", ".join(regimes)),
        ),
    ]
    if t.max_label_age_days is not None:
        rules.append(
            ExpectColumnNewestToBeFresh(
                column="timestamp",
                max_age_days=t.max_label_age_days,
                **_words("age of the newest label", f"at most {t.max_label_age_days:g} days"),
            )
        )
    rules += [
        ExpectColumnValuesToBeFinite(
            column=feature, **_words(f"finite {feature}", "no NULL, NaN or infinity")
        )
        for feature in features
    ]
    return gx.ExpectationSuite(name=SUITE_NAME, expectations=rules)


def _words(rule: str, expected: str) -> dict[str, Any]:
    return {"description": f"{rule}: {expected}", "meta": {"rule": rule, "expected": expected}}
