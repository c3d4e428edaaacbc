"""RefCOCO, RefCOCO+ and RefCOCOg as their makers publish them: ``refs(*).p`` beside ``instances.json``."""

from reir.data.refer.convert import ConvertReport, convert_references
from reir.data.refer.pickles import read_pickle
from reir.data.refer.references import Reference, read_references

__all__ = ["ConvertReport", "Reference", "convert_references", "read_pickle", "read_references"]
