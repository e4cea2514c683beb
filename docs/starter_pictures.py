"""Make a small picture of the gallery of starters from one that a starter has drawn.

``python docs/starter_pictures.py runs/diffusion/ID/plots/samples.gif diffusion`` writes
docs/starters/pictures/diffusion.gif with fewer pixels, colours and frames: at most 150 kB.
"""

import io
import sys
from pathlib import Path

from PIL import Image, ImageSequence

PICTURES = Path(__file__).with_name("starters") / "pictures"
MOST = 150_000  # bytes
SIZES = [(480, 256), (480, 64), (480, 32), (480, 16), (400, 16), (320, 16), (240, 16), (200, 16)]


def main(path, name):
    """Write the picture with the most pixels and colours that are small enough."""
    picture = Image.open(path)
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    durations = [frame.info.get("duration", 0) for frame in ImageSequence.Iterator(picture)]
    for width, colours in SIZES:
        content = smaller(frames, durations, min(width, picture.width), colours, picture.format)
        if len(content) <= MOST:
            break
    target = PICTURES / (name + Path(path).suffix)
    target.write_bytes(content)
    print(f"{target}: {len(content):,} bytes, {width} pixels wide, {colours} colours")


def smaller(frames, durations, width, colours, kind):
    """Return the bytes of a picture or an animation of a width, with so many colours."""
    size = width, round(frames[0].height * width / frames[0].width)
    scaled = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]
    palette = scaled[-1].quantize(colours)
    few = [frame.quantize(palette=palette, dither=0) for frame in scaled]
    moving = {"save_all": True, "append_images": few[1:], "duration": durations, "loop": 0}
    content = io.BytesIO()
    few[0].save(content, kind, optimize=True, **(moving if kind == "GIF" else {}))
    return content.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
