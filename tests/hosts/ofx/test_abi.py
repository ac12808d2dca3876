"""The ABI as the plug-in declares it, held to the standard's values and orders in abi_facts.json."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.hosts.ofx.driver import SOURCES, compile_files

FACTS = json.loads((Path(__file__).parent / "abi_facts.json").read_text())
DECLARED = re.findall(
    r"\} (Ofx(?:Host|Plugin|R\w+[ID]|P\w+[ID]|\w+Suite\w+));", (SOURCES / "ofx_abi.h").read_text()
)
NOT_IN_FACTS = {"kOfxPropType": "OfxPropType"}
RESOLVE = {
    "kTmImageEffectPropSrcFrame": "OfxImageEffectPropSrcFrame",
    "kTmImageEffectPropSrcFilePath": "OfxImageEffectPropSrcFilePath",
}
"""Extensions of one host, which the standard does not have."""


def run(tmp_path: Path, lines: list[str]) -> list[str]:
    """Compile and run a program that prints, and return the lines."""
    source = tmp_path / "facts.c"
    head = ['#include "ofx_abi.h"', '#include "ofx_names.h"', "#include <stdio.h>", "int main(void) {"]
    source.write_text("\n".join([*head, *lines, "return 0; }"]))
    compile_files([f"-I{SOURCES}"], [source], tmp_path / "facts")
    return subprocess.run(
        [str(tmp_path / "facts")], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_strings(shared: Path, tmp_path: Path) -> None:
    assert shared
    names = re.findall(r"#define (k\w+) ", (SOURCES / "ofx_names.h").read_text())
    assert len(names) > 150
    got = dict(zip(names, run(tmp_path, [f"puts({n});" for n in names]), strict=True))
    assert got == {n: (FACTS["strings"] | NOT_IN_FACTS | RESOLVE)[n] for n in names}


def test_status_codes(shared: Path, tmp_path: Path) -> None:
    assert shared
    names = re.findall(r"#define (kOfxStat\w+) ", (SOURCES / "ofx_abi.h").read_text())
    got = run(tmp_path, [f'printf("%d\\n", {n});' for n in names])
    assert [int(v) for v in got] == [int(re.sub(r"\D", "", FACTS["status_and_flags"][n])) for n in names]


@pytest.mark.parametrize("struct", DECLARED)
def test_structs(shared: Path, tmp_path: Path, struct: str) -> None:
    """The same members in the same order and the same size: no gap, and nothing beyond the standard."""
    assert shared
    members = FACTS["struct_members_in_order"][struct]
    lines = [f'printf("%zu\\n", offsetof({struct}, {m}));' for m in members]
    *offsets, size = map(int, run(tmp_path, [*lines, f'printf("%zu\\n", sizeof({struct}));']))
    assert offsets == sorted(set(offsets))
    assert offsets[0] == 0
    assert size == FACTS["sizeof_x86_64"][struct]
    if struct.startswith("Ofx") and "Suite" in struct:
        assert offsets == [8 * i for i in range(len(members))]
