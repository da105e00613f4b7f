#!/usr/bin/env bash
# Known vulnerabilities of what is installed, where the package index tells them; some mirrors don't.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check pip-audit; }; then
  echo "audit: skipped, the index has no pip-audit"
  exit 0
fi
packages=$(echo .venv/lib/python3.*/site-packages)
code=0
timeout 300 "$folder/bin/pip-audit" --path "$packages" --skip-editable --progress-spinner off --format json \
  >"$folder/found.json" 2>"$folder/said" || code=$?
"$folder/bin/python" - "$folder/found.json" "$folder/said" "$code" <<'PYTHON'
import json, pathlib, sys

found, said, code = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2]).read_text(), int(sys.argv[3])
packages = json.loads(found)["dependencies"] if found.strip() else []
audited = [each for each in packages if "vulns" in each]
for each in audited:
    for known in each["vulns"]:
        fixed = ", ".join(known["fix_versions"]) or "nothing yet"
        print(f"audit: {each['name']} {each['version']}: {known['id']}, fixed by {fixed}")
if any(each["vulns"] for each in audited):
    sys.exit(1)
if audited:
    print(f"audit: {len(audited)} packages, no known vulnerability")
elif packages:
    print(f"audit: skipped, the index tells nothing of the {len(packages)} packages")
else:
    print(f"audit: skipped, pip-audit ended with {code}: {(said.strip() or 'no word').splitlines()[-1]}")
PYTHON
