"""Functions that the exported code brings along where torchvision has no transform of that kind, by name."""

from __future__ import annotations

PARTS: dict[str, str] = {
    "center_crop": '''def center_crop(image, side):
    """The middle of the image, at its own size."""
    height, width = image.shape[-2:]
    share = float(torch.empty(()).uniform_(*side))
    piece = [max(1, round(share * height)), max(1, round(share * width))]
    return F.resize(F.center_crop(image, piece), [height, width], LINEAR, antialias=True)
''',
    "pad": '''def pad(image, fraction, fill):
    """A margin on each side, then back to the size before."""
    height, width = image.shape[-2:]
    share = float(torch.empty(()).uniform_(*fraction))
    margins = [round(share * width), round(share * height)]
    return F.resize(F.pad(image, margins, fill=fill), [height, width], LINEAR, antialias=True)
''',
    "blur": '''def blur(image, sigma):
    """A Gaussian of a drawn width, cut at three standard deviations; as wide as the image allows."""
    width = float(torch.empty(()).uniform_(*sigma))
    reach = min(int(-(-3 * width // 1)), min(image.shape[-2:]) - 1)
    return F.gaussian_blur(image, [2 * reach + 1] * 2, [width] * 2) if reach > 0 else image
''',
    "gaussian_noise": '''def gaussian_noise(image, sigma):
    """A normal number for each pixel and channel."""
    return (image + float(torch.empty(()).uniform_(*sigma)) * torch.randn_like(image)).clamp(0, 1)
''',
    "poisson_noise": '''def poisson_noise(image, photons):
    """A pixel counts photons; their number is drawn log-uniformly."""
    low, high = photons
    count = low * (high / low) ** float(torch.rand(()))
    return (torch.poisson(image * count) / count).clamp(max=1)
''',
    "channel_gain": '''def channel_gain(image, gain, offset):
    """Each channel multiplied and shifted by itself."""
    shape = (image.shape[-3], 1, 1)
    return (image * torch.empty(shape).uniform_(*gain) + torch.empty(shape).uniform_(*offset)).clamp(0, 1)
''',
    "channel_drop": '''def channel_drop(image, fill):
    """One channel taken away."""
    image = image.clone()
    image[..., int(torch.randint(image.shape[-3], ())), :, :] = fill
    return image
''',
    "gamma": '''def gamma(image, gamma):
    """x to a power that is drawn log-uniformly."""
    low, high = gamma
    return F.adjust_gamma(image, low * (high / low) ** float(torch.rand(())))
''',
}
