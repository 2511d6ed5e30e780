"""What a killed program leaves: the real program is killed, in the middle of its work."""

import fcntl
import os
import signal
from pathlib import Path

import pytest
from geocloud_qgis.leftovers import clear_leftovers
from geocloud_qgis.locate import resolve
from geocloud_qgis.runner import Listener, ProgramCancelled, ProgramError, run

BAND = """<VRTRasterBand dataType="UInt16" band="{band}"><Description>{name}</Description><SimpleSource>
<SourceFilename>{scene}</SourceFilename><SourceBand>{band}</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/><DstRect xOff="0" yOff="0" xSize="30000" ySize="30000"/>
</SimpleSource></VRTRasterBand>"""


@pytest.fixture
def big(scene, tmp_path):
    """The scene at so many pixels that no machine is through before it is killed."""
    size = {"width": 512, "height": 512, "scene": scene}
    bands = [BAND.format(band=band, name=name, **size) for band, name in enumerate(("blue", "green", "red"), start=1)]
    text = f'<VRTDataset rasterXSize="30000" rasterYSize="30000">{"".join(bands)}</VRTDataset>'
    path = tmp_path / "big.vrt"
    path.write_text(text)
    return str(path)


class Watching(Listener):
    """Acts once, when the program is at work and its hidden folder is there."""

    def __init__(self, folder, act=None):
        self.folder, self.act, self.begun = folder, act, []

    def progress(self, percent):
        if percent > 1 and not self.begun:
            self.begun = list(self.folder.glob(".geocloud-*.partial"))
            if self.begun and self.act is not None:
                self.act(self.begun)

    def cancelled(self):
        return bool(self.begun) and self.act is None


def play(program, big, out, listener):
    """Without --stop-on-stdin-eof: a program that does not hear of a cancel is killed."""
    command = [str(resolve(Path(program))), "detect", big, "--mask-file", str(out / "m.tif"), "--model", "brightness"]
    more = ["--scale", "0.0001", "--allow-external", "--progress", "json"]
    return run([*command, *more], os.environ, listener, [str(out / "m.tif")])


def test_nothing_of_a_killed_program_stays(program, big, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    listener = Watching(out)
    with pytest.raises(ProgramCancelled):
        play(program, big, out, listener)
    assert listener.begun
    assert list(out.iterdir()) == []


def test_nothing_of_a_program_that_was_killed_by_another_stays(program, big, tmp_path):
    """As the system does where memory runs out."""
    out = tmp_path / "out"
    out.mkdir()

    def kill(begun):
        lock = os.stat(begun[0] / "lock")
        holders = [pid for pid in os.listdir("/proc") if pid.isdigit() and holds(pid, lock)]
        assert len(holders) == 1
        os.kill(int(holders[0]), signal.SIGKILL)

    with pytest.raises(ProgramError, match="signal 9"):
        play(program, big, out, Watching(out, kill))
    assert list(out.iterdir()) == []


def holds(pid, lock):
    """True where the process has the file open."""
    try:
        files = [os.stat(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any((file.st_dev, file.st_ino) == (lock.st_dev, lock.st_ino) for file in files)


def test_what_a_living_run_writes_and_old_files_that_wait_stay(tmp_path):
    living, waiting, dead = (tmp_path / f".geocloud-{name}-x.partial" for name in ("living", "waiting", "dead"))
    for folder in (living, waiting, dead):
        folder.mkdir()
        (folder / "lock").touch()
    (waiting / "journal.json").write_text("{}")
    with (living / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clear_leftovers([str(tmp_path / "m.tif")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, waiting.name]
