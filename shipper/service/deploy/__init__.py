"""Getting started and into pods: the files that `shipper init` and `shipper k8s` write."""
