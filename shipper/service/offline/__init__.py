"""Events through the processors without network and storage: what `shipper test` and `shipper explain` do."""
