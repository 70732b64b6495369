"""Parcels that leave today: waybills, picking, the check by scanner, the sheet."""
