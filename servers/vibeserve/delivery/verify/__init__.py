"""`vibeserve verify`: unmodified since export, with its evidence; and gated and measured again where asked."""
