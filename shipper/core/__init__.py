"""What flows through the shipper and how it refuses: the room every other room may import."""
