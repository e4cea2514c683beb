"""The device's side: which one is current, what was counted, what a stream records."""

DEVICES = 2


class Device:
    """What the stand-in keeps about the machine."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Forget everything."""
        self.current = 0
        self.streams = []  # those in use, the innermost last
        self.recording = None  # the list of what is captured, or None
        self.kept = []  # the memory of arrays made meanwhile, which the graph works in
        self.synchronisations = self.launches = self.uploads = 0
        self.downloads = []

    def wait(self, what):
        """Count that the host waits for the device, which a capture does not allow."""
        self.refuse(what)
        self.synchronisations += 1
        self.downloads.append(what)

    def upload(self, what):
        """Count a copy from the host, which a capture does not allow either."""
        self.refuse(what)
        self.uploads += 1

    def refuse(self, what):
        """Raise a RuntimeError while a stream is captured."""
        if self.recording is not None:
            raise RuntimeError(f"{what}: the current stream is capturing")

    def act(self, action):
        """Do something on the device; while a stream is captured, only keep it for the graph."""
        self.launches += 1
        if self.recording is None:
            action()
        else:
            self.recording.append(action)


counts = Device()
