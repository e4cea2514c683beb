"""tensorboardX's `SummaryWriter` on an events file of our own, for users' figures and texts.

Importing it imports PyTorch where it is installed, which takes seconds: only those who ask for
`firstlight.callbacks.tensorboard.writer.Writer.summary_writer` wait for it.
"""

from typing import Any

from tensorboardX import FileWriter, SummaryWriter

from firstlight.callbacks.tensorboard.events_file import EventsFile


class _Events:
    """What tensorboardX's ``FileWriter`` wants of an ``EventFileWriter``."""

    def __init__(self, file: EventsFile) -> None:
        self._file = file

    def get_logdir(self) -> str:
        return self._file.folder

    def add_event(self, event: Any) -> None:
        self._file.add_encoded(event.SerializeToString())

    def flush(self) -> None:
        """Do nothing: every event is in the file."""

    def close(self) -> None:
        self._file.close()


class _OneFile(FileWriter):
    def __init__(self, file: EventsFile) -> None:
        self.event_writer, self._default_metadata = _Events(file), {}


class FileSummaryWriter(SummaryWriter):
    """tensorboardX's `SummaryWriter`, which writes into a given file until it is closed.

    Parameters
    ----------
    file : EventsFile
    """

    def __init__(self, file: EventsFile) -> None:
        self._first: EventsFile | None = file
        super().__init__(file.folder)

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            file, self._first = self._first or EventsFile(self.logdir), None
            self.file_writer: FileWriter | None = _OneFile(file)
            self.all_writers: dict[str, FileWriter] | None = {self.logdir: self.file_writer}
        return self.file_writer
