"""The units that Busbar knows, as lines ``names = definition``; names share one meaning. All but shares and offsets take prefixes.

Sources: the SI brochure (9th edition), NIST SP 811 for units outside the SI, ISO 4217 for currencies. The names are those that
people of this field and Python's unit libraries use.
"""

from __future__ import annotations

import math

BASE_UNITS: dict[str, str] = {
    "meter metre m": "m",
    "second sec s": "s",
    "ampere amp A": "A",
    "kelvin K degK degree_Kelvin degreeK": "K",
    "mole mol": "mol",
    "candela cd": "cd",
    "bit": "bit",
    "pixel": "pixel",
}

METRIC_UNITS = f"""
gram g = 0.001 kg
metric_ton tonne t = 1000 kg
minute min = 60 s
hour hr h = 3600 s
day d = 86400 s
year yr a julian_year = 365.25 d
radian rad = 1
steradian sr = 1
turn revolution cycle circle = {2 * math.pi!r}
degree deg arcdeg arcdegree angular_degree ° = {math.pi / 180!r}
hertz Hz = 1/s
newton N = kg m/s^2
dyne dyn = 1e-5 N
pascal Pa = N/m^2
bar = 1e5 Pa
joule J = N m
watt W = J/s
volt_ampere VA = W
volt_ampere_reactive var VAr VAR = W
watt_peak Wp = W
watt_hour watthour Wh = W h
volt_ampere_hour VAh varh VArh = W h
electron_volt electronvolt eV = 1.602176634e-19 J
calorie cal thermochemical_calorie cal_th = 4.184 J
international_calorie cal_it = 4.1868 J
erg = 1e-7 J
coulomb C = A s
ampere_hour Ah = A h
volt V = W/A
farad F = C/V
ohm Ω = V/A
siemens S mho = 1/ohm
weber Wb = V s
tesla T = Wb/m^2
henry H = Wb/A
lumen lm = cd
lux lx = lm/m^2
nit = cd/m^2
becquerel Bq counts_per_second cps = 1/s
curie Ci = 3.7e10 Bq
gray Gy = J/kg
sievert Sv = J/kg
katal kat = mol/s
liter litre l L ℓ = 0.001 m^3
molar M = mol/l
cubic_centimeter cc = 1e-6 m^3
are = 100 m^2
hectare ha = 10000 m^2
poise P = 0.1 Pa s
stokes St = 1e-4 m^2/s
torr = 101325/760 Pa
byte B octet = 8 bit
baud Bd bps = bit/s
tonne_of_oil_equivalent toe = 4.1868e10 J
ton_TNT tTNT = 4.184e9 J
"""

SHARES = """
dimensionless count = 1
percent % = 0.01
permille ‰ = 0.001
ppm = 1e-6
"""

OTHER_UNITS = f"""
gradian grade gon grad = {math.pi / 200!r}
arcminute arcmin arc_minute angular_minute = {math.pi / 10800!r}
arcsecond arcsec arc_second angular_second = {math.pi / 648000!r}
revolutions_per_minute revolution_per_minute rpm = turn/min
revolutions_per_second revolution_per_second rps = turn/s
week = 7 d
fortnight = 14 d
month = 365.25/12 d
century centuries = 100 year
common_year = 365 d
leap_year = 366 d
astronomical_unit au = 149597870700 m
light_year ly lightyear = 9460730472580800 m
angstrom Å = 1e-10 m
parsec pc = 3.0856775814913674e16 m
micron = 1e-6 m
inch in international_inch inches international_inches = 0.0254 m
foot ft international_foot feet international_feet = 0.3048 m
yard yd international_yard = 0.9144 m
mile mi international_mile = 1609.344 m
thou th mil_length = 0.001 inch
hand = 4 inch
survey_foot sft = 1200/3937 m
fathom = 6 survey_foot
chain = 66 survey_foot
furlong fur = 10 chain
rod perch pole = chain/4
nautical_mile nmi = 1852 m
mile_per_hour mph MPH = mile/h
kilometer_per_hour kilometre_per_hour kph kmh = km/h
kilometer_per_second kps = km/s
meter_per_second metre_per_second mps = m/s
foot_per_second fps feet_per_second = foot/s
knot kt kn knot_international international_knot = nautical_mile/h
square_inch sq_in square_inches = inch^2
square_foot sq_ft sqft square_feet = foot^2
square_yard sq_yd = yard^2
square_mile sq_mi = mile^2
acre = 43560 survey_foot^2
acre_foot acre_feet = acre survey_foot
cubic_foot cu_ft cuft cubic_feet = foot^3
cubic_inch cu_in = inch^3
cubic_yard cu_yd = yard^3
gallon gal liquid_gallon US_liquid_gallon = 0.003785411784 m^3
quart qt liquid_quart US_liquid_quart = 0.25 gallon
pint pt liquid_pint US_pint = 0.125 gallon
cup cp = gallon/16
gill gi = gallon/32
bushel bu = 2150.42 inch^3
cord = 128 foot^3
board_foot = 144 inch^3
fluid_ounce fl_oz floz US_fluid_ounce US_liquid_ounce = gallon/128
tablespoon tbsp = gallon/256
teaspoon tsp = gallon/768
barrel bbl = 31.5 gallon
oil_barrel oil_bbl = 42 gallon
imperial_gallon imperial_gal = 0.00454609 m^3
imperial_barrel imperial_bbl = 36 imperial_gallon
imperial_quart imperial_qt = 0.25 imperial_gallon
imperial_pint imperial_pt = 0.125 imperial_gallon
imperial_fluid_ounce imperial_floz imperial_fl_oz = imperial_gallon/160
pound lb avoirdupois_pound = 0.45359237 kg
ounce oz avoirdupois_ounce = pound/16
grain gr = pound/7000
troy_ounce toz ozt = 480 grain
troy_pound tlb lbt = 12 troy_ounce
pennyweight dwt = 24 grain
dram dr = ounce/16
stone st = 14 pound
carat = 0.0002 kg
slug = 14.593902937206364 kg
US_ton ton short_ton = 2000 pound
long_ton = 2240 pound
hundredweight cwt = 100 pound
dalton unified_atomic_mass_unit amu = 1.66053906892e-27 kg
standard_gravity g_0 g0 g_n gravity = 9.80665 m/s^2
galileo Gal = 0.01 m/s^2
force_gram gram_force gf pond = 0.00980665 N
force_kilogram kilogram_force kgf = 9.80665 N
force_metric_ton metric_ton_force force_t t_force = 9806.65 N
force_pound pound_force lbf = 4.4482216152605 N
force_ounce ounce_force ozf = lbf/16
force_ton ton_force = 2000 lbf
force_long_ton long_ton_force = 2240 lbf
kip = 1000 lbf
poundal pdl = lb ft/s^2
foot_pound ft_lb footpound = foot lbf
pound_force_per_square_inch psi = lbf/inch^2
kip_per_square_inch ksi = kip/inch^2
standard_atmosphere atm atmosphere = 101325 Pa
technical_atmosphere at = 98066.5 Pa
barye barie = 0.1 Pa
millimeter_Hg mmHg mm_Hg millimeter_Hg_0C = 133.322387415 Pa
inch_Hg inHg in_Hg inch_Hg_32F = 3386.38864034 Pa
centimeter_H2O cmH2O cm_H2O centimeter_water = 98.0665 Pa
inch_H2O inH2O in_H2O = 249.08891 Pa
foot_H2O ftH2O ft_H2O feet_H2O = 2989.06692 Pa
meter_H2O mH2O m_H2O = 9806.65 Pa
british_thermal_unit Btu BTU Btu_iso = 1055.056 J
international_british_thermal_unit Btu_it = 1055.05585262 J
thermochemical_british_thermal_unit Btu_th = 1054.3502644888888 J
therm thm EC_therm = 105505600 J
US_therm = 105480400 J
quadrillion_Btu quad = 1055056000000000000 J
atmosphere_liter atm_l = 101.325 J
horsepower hp UK_horsepower hydraulic_horsepower = 550 foot lbf/s
boiler_horsepower = 33475 Btu/h
metric_horsepower = 735.49875 W
electrical_horsepower = 746 W
refrigeration_ton ton_of_refrigeration = 12000 Btu/h
langley Ly = 41840 J/m^2
rem = 0.01 Sv
roentgen röntgen = 2.58e-4 C/kg
delta_degree_Celsius Δ°C delta_degC delta_celsius delta_degreeC = K
delta_degree_Fahrenheit Δ°F delta_degF delta_fahrenheit delta_degreeF = 5/9 K
degree_Rankine rankine °R degR degreeR = 5/9 K
"""

# Temperatures with a zero of their own: kelvin = factor · value + offset.
OFFSET_UNITS: dict[str, tuple[str, str]] = {
    "degree_Celsius degree_celsius celsius °C degC degreeC": ("1", "273.15"),
    "degree_Fahrenheit degree_fahrenheit fahrenheit °F degF degreeF": ("5/9", "229835/900"),
}

PREFIXES: dict[str, int] = {
    "Q": 30, "R": 27, "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "µ": -6, "μ": -6, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
    "r": -27, "q": -30,
    "quetta": 30, "ronna": 27, "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6,
    "kilo": 3, "hecto": 2, "deca": 1, "deka": 1, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9,
    "pico": -12, "femto": -15, "atto": -18, "zepto": -21, "yocto": -24, "ronto": -27, "quecto": -30,
}  # fmt: skip

BINARY_PREFIXES: dict[str, int] = {
    "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60,
    "kibi": 10, "mebi": 20, "gibi": 30, "tebi": 40, "pebi": 50, "exbi": 60,
}  # fmt: skip

_CURRENCIES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR
    ZMW ZWG ZWL
"""
CURRENCIES = frozenset(_CURRENCIES.split())
