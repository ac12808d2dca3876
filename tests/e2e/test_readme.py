"""What README prints works as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import disc

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ENV = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shell(text: str, folder: Path, env: dict[str, str] | None = None) -> None:
    """Run lines in bash; the activation of the environment is done by the caller."""
    lines = [line for line in text.splitlines() if not line.startswith(". .venv")]
    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        cwd=folder,
        env=ENV | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_commands_on_your_own_clip(tmp_path: Path) -> None:
    disc.write_movie(tmp_path / "plate.mp4", 36, (96, 64)).rename(tmp_path / "plate.mov")
    steps = [b for b in blocks("sh") if "trackmatte" in b]
    assert len(steps) == 2
    for step in steps:
        shell(step, tmp_path)
    assert (tmp_path / "look.png").stat().st_size > 1000
    assert len(list((tmp_path / "mattes").glob("*.exr"))) == 36


def test_sam2_from_a_checkpoint_to_exrs(tmp_path: Path) -> None:
    """With a micro model in place of the fetched one, which is 900 MB and not at hand here."""
    for package in ("torch", "sam2"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from tests import micro

    (block,) = blocks("shell")
    lines = block.splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("trackmatte weights fetch sam2.1_hiera_large")
    disc.write_movie(tmp_path / "plate.mp4", 8, (96, 64)).rename(tmp_path / "plate.mov")
    file, config = micro.checkpoint(tmp_path), micro.config(tmp_path)
    added = f"trackmatte weights add {file} --config {config} --family sam2"
    env = {
        "TRACKMATTE_WEIGHTS": str(tmp_path / "weights"),
        "TRACKMATTE_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    shell("\n".join([added, *lines[2:]]), tmp_path, env)
    assert len(list((tmp_path / "mattes").glob("*.exr"))) == 8
    assert (tmp_path / "mattes" / "plate.qc.png").stat().st_size > 1000


def test_python_snippet(tmp_path: Path) -> None:
    (snippet,) = blocks("python")
    (tmp_path / "sample_clips").symlink_to(ROOT / "sample_clips")
    done = subprocess.run(
        [sys.executable, "-c", snippet + "\nassert alpha.shape == (360, 640) and 0.01 < alpha.mean() < 0.5"],
        cwd=tmp_path,
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_demo_runs_and_survives_a_second_run(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    env = {**ENV, "RUN": str(Path(sys.executable).parent), "OUT": str(out)}
    for _ in range(2):
        done = subprocess.run(
            [ROOT / "scripts" / "demo"], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        for name in ("sheet.png", "preview.mp4"):
            assert (out / name).stat().st_size > 10_000
            assert name in done.stdout
    assert len(list(out.glob("*.exr"))) >= 48


@pytest.mark.parametrize("target", ["demo", "test"])
def test_makefile_has_the_two_commands(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"make {target}" in README


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
