"""Fitting a namespace to a capture: `calibrate` makes a Scenario of it, with an account of what was fitted."""

from kit.sim.fit.calibrated import Calibrated, calibrate
from kit.sim.fit.named import Fitted, Parameter, choose
from kit.sim.fit.report import Calibration, Part, Unidentified

__all__ = ["Calibrated", "Calibration", "Fitted", "Parameter", "Part", "Unidentified", "calibrate", "choose"]
