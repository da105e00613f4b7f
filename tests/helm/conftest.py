import shutil

import pytest
from helm_charts import EXAMPLES, ROOT, Helm


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(request.param, tmp_path_factory.mktemp("helm"))


@pytest.fixture(params=["workload-with-shipper", "collector-with-shipper"])
def parent(request: pytest.FixtureRequest, helm: Helm, tmp_path_factory: pytest.TempPathFactory):
    """An example's parent chart with its dependency, in a copy of the tree."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "helm" / "shipper", tree / "helm" / "shipper")
    chart = tree / "examples" / "kubernetes" / request.param
    shutil.copytree(EXAMPLES / request.param, chart, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    helm.run("dependency", "build", chart)
    return chart
