"""The values that the stages exchange: frozen, plain, without behaviour that decides."""
