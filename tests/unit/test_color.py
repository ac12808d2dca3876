"""Colours against the standards' own formulas, written here without OpenColorIO."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trackmatte.color import STANDARD, Colour, colour_named, known_colours, standard, to_display_code
from trackmatte.color_config import BUILTIN
from trackmatte.errors import UsageError

F64 = NDArray[np.float64]

GREYS = [0.0, 0.01, 0.05, 0.09, 0.18, 0.391, 0.5, 0.75, 0.9, 1.0]
COLOURS = [
    (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.45, 0.32, 0.27), (0.76, 0.58, 0.5),
    (0.35, 0.48, 0.61), (0.9, 0.5, 0.18), (0.05, 0.08, 0.3), (0.7, 0.75, 0.2), (0.12, 0.55, 0.65),
]  # fmt: skip
BEYOND = [(1.3, 1.1, 1.25), (-0.05, 0.2, 0.1), (0.4, -0.1, 1.2)]
PATCHES = np.array([[(g, g, g) for g in GREYS] + COLOURS], np.float32)
EVERY = np.concatenate([PATCHES, np.float32([BEYOND])], axis=1)

D65, ACES_WHITE = (0.3127, 0.329), (0.32168, 0.33767)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.003, 0.0136, 0.9834]])


def xyz(x: float, y: float) -> F64:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def to_xyz(primaries: tuple[float, ...], white: tuple[float, float]) -> F64:
    """Matrix from RGB to CIE XYZ (SMPTE RP 177)."""
    columns = np.stack([xyz(*primaries[i : i + 2]) for i in (0, 2, 4)], axis=1)
    return columns * np.linalg.solve(columns, xyz(*white))


def adapt(cones: F64, before: tuple[float, float], after: tuple[float, float]) -> F64:
    """Matrix that takes XYZ under one white to XYZ under another (von Kries)."""
    scale = (cones @ xyz(*after)) / (cones @ xyz(*before))
    return np.linalg.inv(cones) @ np.diag(scale) @ cones


XYZ_709 = to_xyz((0.64, 0.33, 0.3, 0.6, 0.15, 0.06), D65)
XYZ_2020 = to_xyz((0.708, 0.292, 0.17, 0.797, 0.131, 0.046), D65)
XYZ_P3 = to_xyz((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), D65)
XYZ_AP1 = to_xyz((0.713, 0.293, 0.165, 0.83, 0.128, 0.044), ACES_WHITE)
XYZ_AWG3 = to_xyz((0.684, 0.313, 0.221, 0.848, 0.0861, -0.102), D65)
TO_709 = np.linalg.inv(XYZ_709)
AP1_TO_709 = TO_709 @ adapt(BRADFORD, ACES_WHITE, D65) @ XYZ_AP1
AWG3_TO_AP1 = np.linalg.inv(XYZ_AP1) @ adapt(CAT02, D65, ACES_WHITE) @ XYZ_AWG3


def srgb_to_light(v: F64) -> F64:
    """IEC 61966-2-1."""
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0) + 0.055) / 1.055) ** 2.4)


def light_to_srgb(v: F64) -> F64:
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055)


def bt709_to_light(v: F64) -> F64:
    """ITU-R BT.709-6, 1.2, inverted."""
    return np.where(v < 0.081, v / 4.5, ((np.maximum(v, 0) + 0.099) / 1.099) ** (1 / 0.45))


def bt2020_to_light(v: F64) -> F64:
    """ITU-R BT.2020-2, table 4, inverted, with the constants of 12-bit systems."""
    a, b = 1.09929682680944, 0.018053968510807
    return np.where(v < 4.5 * b, v / 4.5, ((np.maximum(v, 0) + a - 1) / a) ** (1 / 0.45))


def logc3_to_light(v: F64) -> F64:
    """ARRI, ALEXA Log C Curve, usage in VFX (2017), EI 800."""
    a, b, c, d, e, f, cut = 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809, 0.010591
    return np.where(v > e * cut + f, (10 ** ((v - d) / c) - b) / a, (v - f) / e)


def pq_to_light(v: F64) -> F64:
    """SMPTE ST 2084, with 203 cd/m² as 1."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    p = np.maximum(v, 0) ** (1 / m2)
    return np.asarray(10000 * (np.maximum(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1) / 203)


def hlg_to_light(v: F64) -> F64:
    """ITU-R BT.2100 HLG on a display of 1000 cd/m², with 203 cd/m² as 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(v <= 0.5, v**2 / 3, (np.exp((v - c) / a) + b) / 12)
    luma = scene @ np.array([0.2627, 0.678, 0.0593])
    return np.asarray(1000 * scene * luma[..., None] ** 0.2 / 203)


def cineon_to_light(v: F64) -> F64:
    black = 10 ** ((95 - 685) * 0.002 / 0.6)
    return np.asarray((10 ** ((v * 1023 - 685) * 0.002 / 0.6) - black) / (1 - black))


Case = tuple[Callable[[F64], F64], F64, F64]
CASES: dict[str, Case] = {
    # name: (code to light of its own primaries, those to linear_name's, linear_name's to Rec.709)
    "sRGB": (srgb_to_light, np.eye(3), np.eye(3)),
    "Rec.709": (bt709_to_light, np.eye(3), np.eye(3)),
    "Rec.2020": (bt2020_to_light, np.eye(3), TO_709 @ XYZ_2020),
    "Display P3": (srgb_to_light, np.eye(3), TO_709 @ XYZ_P3),
    "Cineon": (cineon_to_light, np.eye(3), np.eye(3)),
    "Gamma 2.4 Rec.709": (lambda v: np.sign(v) * np.abs(v) ** 2.4, np.eye(3), np.eye(3)),
    "ACEScg": (lambda v: v, np.eye(3), AP1_TO_709),
    "ARRI LogC3 (EI800)": (logc3_to_light, AWG3_TO_AP1, AP1_TO_709),
}
LINEAR_NAMES = {
    "Rec.2020": "Linear Rec.2020",
    "Display P3": "Linear P3-D65",
    "ACEScg": "ACEScg",
    "ARRI LogC3 (EI800)": "ACEScg",
}


@pytest.mark.parametrize("name", CASES)
def test_light_is_what_the_standard_says(name: str) -> None:
    decode, to_linear, _ = CASES[name]
    colour = colour_named(name)
    assert colour.linear_name == LINEAR_NAMES.get(name, "Linear Rec.709 (sRGB)")
    expected = decode(EVERY.astype(np.float64)) @ to_linear.T
    found = colour.linear(EVERY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=5e-4, atol=1.2e-4)


@pytest.mark.parametrize(
    "name", [*CASES, "Rec.2100 PQ", "Gamma 2.2 Rec.709", "ARRI LogC4", "S-Log3 S-Gamut3.Cine"]
)
def test_what_is_encoded_again_is_the_plate(name: str) -> None:
    colour = colour_named(name)
    assert np.abs(colour.encode(colour.linear(EVERY)) - EVERY).max() < 2e-4
    light = np.random.default_rng(2).random((9, 9, 3), np.float32) * 4
    np.testing.assert_allclose(colour.linear(colour.encode(light)), light, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float16", "float64"])
def test_display_is_srgb_or_the_code_values_themselves(name: str, dtype: str) -> None:
    decode, to_linear, to_709 = CASES[name]
    scale = np.iinfo(dtype).max if dtype.startswith("uint") else 1
    plate = np.rint(PATCHES * scale).astype(dtype) if scale > 1 else EVERY.astype(dtype)
    code = plate / np.float64(scale)
    colour = colour_named(name)
    if name not in ("sRGB", "Rec.709", "Gamma 2.4 Rec.709"):
        code = light_to_srgb(np.clip(decode(code) @ to_linear.T @ to_709.T, 0, 1))
    shown = colour.display(plate)
    assert shown.dtype == np.uint8
    assert np.abs(shown - np.clip(code, 0, 1) * 255).max() <= 1
    if scale > 1:
        np.testing.assert_allclose(colour.linear(plate), colour.linear(plate / np.float32(scale)), 1e-4, 1e-6)


@pytest.mark.parametrize(("name", "decode"), [("Rec.2100 PQ", pq_to_light), ("Rec.2100 HLG", hlg_to_light)])
def test_hdr_has_203_candela_as_white(name: str, decode: Callable[[F64], F64]) -> None:
    colour = colour_named(name)
    np.testing.assert_allclose(
        colour.linear(PATCHES), decode(PATCHES.astype(np.float64)), rtol=2e-3, atol=2e-4
    )
    white = {"Rec.2100 PQ": 0.5806888, "Rec.2100 HLG": 0.75}[name]
    below, above = (np.full((1, 1, 3), white + d, np.float32) for d in (-0.01, 0.01))
    assert 235 < colour.display(below).min() <= colour.display(below).max() < 255
    assert colour.display(above).min() == 255


def test_display_plates_are_looked_at_without_a_copy() -> None:
    plate = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for name in ("sRGB", "Rec.709"):
        assert colour_named(name).display(plate) is plate
    deep = np.arange(0, 65536, dtype=np.uint16)[:65535].reshape(-1, 5, 3)
    expected = np.rint(deep / np.float64(257)).astype(np.uint8)
    assert np.array_equal(colour_named("Rec.709").display(deep), expected)


@pytest.mark.parametrize("name", CASES)
def test_pixels_that_are_not_finite(name: str) -> None:
    plate = np.full((2, 3, 3), 0.4, np.float32)
    plate[0, 0, 1], plate[0, 1, 2], plate[1, 2, 0] = np.nan, np.inf, -np.inf
    kept, colour = plate.copy(), colour_named(name)
    odd = ~np.isfinite(plate).all(axis=2)
    for light in (colour.linear(plate), colour.encode(plate)):
        assert np.array_equal(np.isnan(light).all(axis=2), odd)
        assert np.isfinite(light[~odd]).all()
        assert np.ptp(light[~odd], axis=0).max() == 0
    shown = colour.display(plate)
    assert np.array_equal(shown[~odd], np.broadcast_to(shown[0, 2], (3, 3)))
    np.testing.assert_array_equal(plate, kept)
    assert to_display_code(plate, colour.linear_name)[odd].max() == 0


def test_crops_and_steps_and_empty_arrays() -> None:
    colour = colour_named("ACEScg")
    plate = np.random.default_rng(3).random((40, 60, 3), np.float32)
    whole = colour.display(plate)
    assert np.array_equal(colour.display(plate[5:21, 3:50]), whole[5:21, 3:50])
    assert np.array_equal(colour.display(plate[::3, ::3]), whole[::3, ::3])
    assert colour.display(plate[:0]).shape == (0, 60, 3)
    plate.flags.writeable = False
    assert np.array_equal(colour.display(plate), whole)
    assert colour.linear(plate).flags.writeable


def test_threads_agree() -> None:
    plate = np.random.default_rng(4).random((200, 300, 3), np.float32)
    colour = colour_named("S-Log3 S-Gamut3")
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(colour.linear(plate).tobytes())) for _ in range(6)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 6
    assert set(found) == {colour.linear(plate).tobytes()}


@pytest.mark.parametrize(
    ("linear_name", "matrix"),
    [("Linear Rec.709 (sRGB)", np.eye(3)), ("ACEScg", AP1_TO_709), ("Linear Rec.2020", TO_709 @ XYZ_2020)],
)
def test_light_to_display_code(linear_name: str, matrix: F64) -> None:
    code = to_display_code(EVERY, linear_name)
    expected = np.clip(light_to_srgb(EVERY.astype(np.float64) @ matrix.T), 0, 1)
    assert code.dtype == np.float32
    np.testing.assert_allclose(code, expected, atol=2e-4)
    with pytest.raises(UsageError, match="no colour space 'nowhere'"):
        to_display_code(EVERY, "nowhere")


# Names


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ACEScg", "ACEScg"),
        ("acescg", "ACEScg"),
        ("lin_ap1", "ACEScg"),
        ("scene_linear", "ACEScg"),
        ("rec.709", "Rec.709"),
        ("Camera Rec.709", "Rec.709"),
        ("srgb_texture", "sRGB"),
        ("ARRI LogC3 (EI800)", "ARRI LogC3 (EI800)"),
        ("logc3ei800_alexawide", "ARRI LogC3 (EI800)"),
        ("hlg_rec2020_display", "Rec.2100 HLG"),
    ],
)
def test_names_aliases_and_roles(typed: str, name: str) -> None:
    assert colour_named(typed).name == name
    assert colour_named(typed) == colour_named(name)


def test_every_listed_colour_can_be_used() -> None:
    listed = known_colours()
    assert len(listed) > 50
    plate = np.full((1, 1, 3), 0.4, np.float32)
    for name, _, aliases in listed:
        colour = colour_named(name)
        assert np.isfinite(colour.linear(plate)).all(), name
        assert np.abs(colour.encode(colour.linear(plate)) - plate).max() < 2e-4, name
        assert all(colour_named(alias) == colour for alias in aliases), name
    assert [n for n, *_ in known_colours("logc")] == ["ARRI LogC3 (EI800)", "ARRI LogC4"]
    assert {c.name for c in STANDARD} <= {n for n, *_ in listed}


def test_wrong_names_are_told_the_right_ones() -> None:
    with pytest.raises(UsageError, match=r"no colour space 'LogC' in the built-in .*ARRI LogC3 \(EI800\)"):
        colour_named("LogC")
    with pytest.raises(UsageError, match=r"trackmatte colorspaces"):
        colour_named(" ")
    with pytest.raises(UsageError, match="'Raw' is for data"):
        colour_named("raw")


# $OCIO

CONFIG = """ocio_profile_version: 2
environment: {{}}
search_path: luts
roles:
  default: work
  {roles}
displays:
  sRGB:
    - !<View> {{name: Raw, colorspace: work}}
colorspaces:
  - !<ColorSpace>
    name: work
    aliases: [studio]
  - !<ColorSpace>
    name: camera
    to_scene_reference: !<ExponentTransform> {{value: [2, 2, 2, 1]}}
  - !<ColorSpace>
    name: lost
    to_scene_reference: !<FileTransform> {{src: nowhere.cube}}
{more}"""
ACES = """  - !<ColorSpace>
    name: aces
    from_scene_reference: !<MatrixTransform> {{matrix: [{ap0}, 0, 0, 0, 0, 1]}}
"""
AP1_TO_AP0 = (0.6954522414, 0.1406786965, 0.1638690622, 0, 0.0447945634, 0.8596711185, 0.0955343182, 0,
              -0.0055258826, 0.0040252103, 1.0015006723)  # fmt: skip


def use(path: Path, monkeypatch: pytest.MonkeyPatch, *roles: str, aces: bool = True) -> None:
    more = ACES.format(ap0=", ".join(map(str, AP1_TO_AP0))) if aces else ""
    text = CONFIG.format(roles="\n  ".join(roles), more=more)
    path.write_text(text)
    monkeypatch.setenv("OCIO", str(path))


def test_the_users_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path / "studio.ocio", monkeypatch, "scene_linear: work", "aces_interchange: aces")
    camera = colour_named("camera")
    assert (camera.name, camera.linear_name) == ("camera", "work")
    assert camera.config.startswith("studio.ocio (")
    np.testing.assert_allclose(camera.linear(PATCHES), PATCHES**2, atol=1e-6)
    np.testing.assert_allclose(camera.encode(PATCHES**2), PATCHES, atol=1e-6)
    expected = np.clip(light_to_srgb(PATCHES.astype(np.float64) ** 2 @ AP1_TO_709.T), 0, 1) * 255
    assert np.abs(camera.display(PATCHES) - expected).max() <= 1
    work = colour_named("studio")
    assert (work.linear_name, work.curve) == ("work", "linear")
    assert np.abs(work.display(PATCHES**2).astype(int) - camera.display(PATCHES)).max() <= 1
    np.testing.assert_allclose(to_display_code(PATCHES**2, "work") * 255, expected, atol=0.1)
    assert colour_named("Rec.2020").config == BUILTIN
    with pytest.raises(UsageError, match=r"'ACEScg' in the configuration studio\.ocio"):
        colour_named("ACEScg")
    with pytest.raises(UsageError, match=r"cannot be converted by .*studio\.ocio .*nowhere\.cube"):
        colour_named("lost")


def test_identity_follows_the_configurations_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = set()
    for k, roles in enumerate((["data: work"], ["data: camera"])):
        folder = tmp_path / str(k)
        folder.mkdir()
        use(folder / "c.ocio", monkeypatch, "scene_linear: work", "aces_interchange: aces", *roles)
        identities.add(colour_named("camera").identity)
    assert len(identities) == 2


def test_configurations_that_lack_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path / "a.ocio", monkeypatch, "rendering: work")
    with pytest.raises(UsageError, match="no role scene_linear"):
        colour_named("camera")
    use(tmp_path / "b.ocio", monkeypatch, "scene_linear: work", aces=False)
    with pytest.raises(UsageError, match="role aces_interchange"):
        colour_named("camera")


@pytest.mark.parametrize("text", [None, "", "not a configuration: ["])
def test_unreadable_configurations_name_the_variable(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.ocio"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("OCIO", str(path))
    with pytest.raises(UsageError, match=r"\$OCIO is '.*bad\.ocio'.*correct the variable, or unset it"):
        colour_named("ACEScg")
    plate = np.full((1, 1, 3), 0.18, np.float32)  # what tags say needs no configuration of the user's
    assert standard("linear").display(plate).tolist() == [[[118] * 3]]


def test_a_built_in_configuration_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    colour = colour_named("sRGB - Texture")
    assert colour.config == "cg-config-v1.0.0_aces-v1.3_ocio-v2.1"
    assert colour.linear_name == "ACEScg"
    assert np.abs(colour.display(PATCHES) - PATCHES * 255).max() <= 1


def test_colours_are_values() -> None:
    assert standard("sRGB") == Colour("sRGB", "Linear Rec.709 (sRGB)", "sRGB")
    assert standard("linear", "ACEScg") == colour_named("ACEScg")
    assert standard("Gamma 2.8").coded_for_display
    assert not standard("Gamma 2.8", "Linear Rec.2020").coded_for_display
    assert len({*STANDARD, *STANDARD}) == len(STANDARD)
