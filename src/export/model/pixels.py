RESIZE, SIDE = SIDES
MEAN, STD = NORMAL


def grey(path):
    """Grey values of an image as reg reads them: 8 bits, Rec. 601 luma, no transparency, a JPEG upright."""
    image = Image.open(path)
    if image.format == "JPEG":
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.int64) * 255 + 32767) // 65535
    if image.mode in ("P", "PA", "RGBA"):
        image = image.convert("RGB")
    return np.asarray(image.convert("L")).astype(np.int64)


def resized(values, side):
    """Antialiased bilinear interpolation along the first axis, in integers: the same on every machine."""
    size = len(values)
    if size == side:
        return values
    scale = size / side
    reach = max(scale, 1.0)
    rows = np.zeros((side, size))
    for row in range(side):
        centre = (row + 0.5) * scale
        places = np.arange(max(int(np.floor(centre - reach)), 0), min(int(np.ceil(centre + reach)), size))
        weights = np.maximum(0.0, 1.0 - np.abs((places - (centre - 0.5)) * (1.0 / reach)))
        rows[row, places] = weights / np.cumsum(weights)[-1]
    bits = 0
    while bits < 21 and np.floor(rows.max() * 2.0 ** (bits + 1) + 0.5) < 1 << 15:
        bits += 1
    weights = np.floor(rows * 2.0**bits + 0.5).astype(np.int64)
    return np.clip((weights @ values + (1 << (bits - 1))) >> bits, 0, 255)


def square(path):
    """What the network sees: the centre of the image resized to a square, [1, channels, SIDE, SIDE]."""
    values = resized(resized(grey(path), RESIZE).T, RESIZE).T
    start = (RESIZE - SIDE) // 2
    values = torch.tensor(values[start : start + SIDE, start : start + SIDE]).float()
    scale = torch.tensor([1.0 / (255.0 * std) for std in STD]).view(1, -1, 1, 1)
    shift = torch.tensor([-mean / std for mean, std in zip(MEAN, STD)]).view(1, -1, 1, 1)
    return values * scale + shift
