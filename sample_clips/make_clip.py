"""Make the *furball* sample clip: ``render`` its layers with Blender, then ``encode`` the clip.

pip install bpy==5.0.1 "numpy<2"          # in a Python 3.11 environment of its own
python make_clip.py render --work /tmp/furball
pip install av numpy                      # in any environment
python make_clip.py encode --work /tmp/furball
"""

from __future__ import annotations

import argparse
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Parse the command line and run one stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=("render", "encode"))
    parser.add_argument("--work", type=Path, default=Path("/tmp/furball"), help="folder of layers")
    parser.add_argument("--out", type=Path, default=HERE / "furball", help="folder of the clip")
    parser.add_argument("--layers", nargs="+", default=["coverage", "subject", "background"])
    parser.add_argument("--frames", type=int, nargs="+", help="render only these frames")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 360))
    parser.add_argument("--samples", type=int, nargs=3, default=(64, 10, 5), help="per layer")
    parser.add_argument("--strands", type=int, default=55000)
    args = parser.parse_args()
    if args.stage == "encode":
        from furball_scene.encode import encode_clip

        encode_clip(args.work, args.out)
        return
    from furball_scene.animation import FRAMES
    from furball_scene.render import LAYERS, render_layer

    for layer in args.layers:
        render_layer(
            layer,
            args.work,
            args.frames or list(range(FRAMES)),
            tuple(args.size),
            args.samples[LAYERS.index(layer)],
            args.strands,
        )


if __name__ == "__main__":
    main()
