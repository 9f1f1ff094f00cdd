from platformio.public import PlatformBase


class EmulatedPlatform(PlatformBase):
    pass
