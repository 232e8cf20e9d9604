"""The numbers that the package goes by: fields of records, measured on pages that commands make."""

import dataclasses
import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import sklearn_onenn

ROOT = Path(__file__).parents[1]


def records():
    """Every record of rules, by name."""
    found = {}
    for module in pkgutil.walk_packages(sklearn_onenn.__path__, "sklearn_onenn."):
        if module.name.endswith((".rules", ".criteria", ".evidence", ".smoothing")):
            for name, member in vars(importlib.import_module(module.name)).items():
                is_own = getattr(member, "__module__", "") == module.name
                if is_own and name.endswith(("Rules", "Smoothing")):
                    found[name] = member
    return found


RECORDS = records()


def numbers(record):
    """Names of the fields of a record that are numbers, and not records themselves."""
    return [f.name for f in dataclasses.fields(record) if not dataclasses.is_dataclass(f.default)]


def test_records_are_found():
    assert {"DataRules", "TensorRules", "PolishRules", "CertificateRules", "Smoothing"} <= set(RECORDS)


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_says_what_its_numbers_are_and_where_they_were_measured(record):
    docstring = record.__doc__ + sys.modules[record.__module__].__doc__
    documented = re.findall(r"^    (\w+(?:, \w+)*) : ", record.__doc__, flags=re.MULTILINE)
    documented = [name for names in documented for name in names.split(", ")]
    assert set(documented) >= set(numbers(record))
    pages = re.findall(r"``(doc/benchmarks/\w+\.md)``", docstring)
    assert pages or not numbers(record)
    for page in pages:
        assert (ROOT / page).is_file()
        assert (ROOT / "examples" / "benchmarks" / f"{Path(page).stem}.py").is_file()


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_takes_other_numbers(record):
    """So that an ablation can try them; and none can be changed in place for everybody."""
    for name in numbers(record):
        other = dataclasses.replace(record(), **{name: 7})
        assert getattr(other, name) == 7 != getattr(record(), name)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(other, name, 8)
