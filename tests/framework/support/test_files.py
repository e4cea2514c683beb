"""Files are written as a whole or not at all."""

import pytest

from firstlight.support import files


def test_a_full_disk_is_reported_with_the_path(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(OSError, match="File too large: .*page.html"):
            files.write_atomically(tmp_path / "page.html", bytes(300))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
