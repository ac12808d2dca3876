"""Movie codecs, image formats, colour configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator

from trackmatte.doctor import Finding

CODECS = (
    ("h264", "r", "H.264 movies in", True),
    ("hevc", "r", "HEVC movies in", False),
    ("prores", "r", "ProRes movies in", False),
    ("dnxhd", "r", "DNxHD and DNxHR movies in", False),
    ("libvpx-vp9", "r", "VP9 movies in, alpha and all", False),
    ("libdav1d", "r", "AV1 movies in", False),
    ("libx264", "w", "preview movies out", True),
    ("prores_ks", "w", "ProRes 4444 movies with alpha out", False),
    ("ffv1", "w", "lossless FFV1 movies with alpha out", False),
    ("libvpx-vp9", "w", "VP9 movies with alpha out", False),
    ("libopus", "w", "sound in VP9 movies", False),
)
"""Name, reading or writing, what for, whether the main job needs it."""
FORMATS = (
    ("openexr", "EXR plates in, mattes out", True),
    ("png", "PNG plates in, mattes out", True),
    ("tiff", "TIFF plates in, a shot's cache", True),
    ("jpeg", "JPEG plates in", False),
    ("dpx", "DPX plates in", False),
    ("cineon", "Cineon plates in", False),
    ("webp", "WebP plates in", False),
    ("jpeg2000", "JPEG 2000 plates in", False),
)
AGAIN = "pip install --force-reinstall {}"


def codecs() -> Iterator[Finding]:
    """Yield the codecs of FFmpeg inside PyAV."""
    import av
    from av.codec import Codec

    for name, mode, enables, required in CODECS:
        label = f"{name} {'decoder' if mode == 'r' else 'encoder'}"
        try:
            Codec(name, "r" if mode == "r" else "w")
        except ValueError:
            remedy = f"{AGAIN.format('av')}: the wheels of PyPI have it"
            yield Finding(
                "codecs", label, "missing", f"not in PyAV {av.__version__}", enables, remedy, required
            )
        else:
            yield Finding("codecs", label, "ok", f"PyAV {av.__version__}", enables, required=required)


def images() -> Iterator[Finding]:
    """Yield the image formats of OpenImageIO."""
    import OpenImageIO as oiio

    known = set(oiio.get_string_attribute("format_list").split(","))
    for name, enables, required in FORMATS:
        if name in known:
            yield Finding("images", name, "ok", f"OpenImageIO {oiio.__version__}", enables, required=required)
        else:
            remedy = AGAIN.format("openimageio")
            yield Finding("images", name, "missing", "not in OpenImageIO", enables, remedy, required)


def colour() -> Iterator[Finding]:
    """Yield the OpenColorIO configuration of the environment."""
    import OpenImageIO as oiio

    name = os.environ.get("OCIO", "")
    if not name:
        says = "$OCIO is not set: the built-in spaces are used"
        yield Finding(
            "colour", "OCIO", "missing", says, "the colour spaces of your facility", "set OCIO to its file"
        )
        return
    config = oiio.ColorConfig(name)
    if wrong := config.geterror():
        yield Finding("colour", "OCIO", "problem", f"{name}: {wrong}", remedy="correct or unset OCIO")
    else:
        yield Finding("colour", "OCIO", "ok", f"{name}, {len(config.getColorSpaceNames())} colour spaces")
