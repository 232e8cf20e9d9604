"""Activations: values, derivatives, Hermite moments and properties, over the whole registry."""

import copy
import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad_vec
from scipy.special import erfc, erfcx, expit

from sklearn_onenn import activations
from sklearn_onenn.activations import (
    ACTIVATIONS,
    GELU,
    Activation,
    Erf,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softplus,
    SquaredReLU,
    Tanh,
    get_activation,
)

INSTANCES = [cls() for cls in dict.fromkeys(ACTIVATIONS.values())] + [LeakyReLU(slope=0.2)]
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)

# Scale and bias, from nearly linear to nearly a step, with the kink inside and far outside.
POINTS = [(1.0, 0.0), (0.6, 0.4), (3.0, -2.0), (0.05, 1.0), (20.0, 5.0)]
ORDERS = range(5)


def hermite(z):
    """He_0 .. He_4 at a number z, from their coefficients."""
    return np.array([1.0, z, z**2 - 1, z**3 - 3 * z, z**4 - 6 * z**2 + 3])


def gaussian_mean(function, *, breaks=()):
    """E[function(z)] by adaptive Gauss-Kronrod quadrature, for numbers z and arrays of values."""

    def integrand(z):
        return function(z) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    inside = [point for point in breaks if -12 < point < 12]
    return quad_vec(integrand, -12, 12, points=inside, epsabs=1e-13, epsrel=1e-12)[0]


def size(activation, order, sigma, bias):
    """Bound sqrt(E[phi^2] E[He_j^2]) of a moment, against which its error is measured."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / math.sqrt(2 * math.pi)
    second = np.sum(weight * activation.value(sigma * z + bias) ** 2)
    return math.sqrt(second * math.factorial(order))


class ValueOnly(Activation):
    """Another activation's value and derivative, and nothing else."""

    def __init__(self, inner):
        self.inner = inner

    def value(self, z):
        return self.inner.value(z)

    def derivative(self, z):
        return self.inner.derivative(z)


class Arctan(Activation):
    symmetry = "odd"

    def value(self, z):
        return np.arctan(z)

    def derivative(self, z):
        return 1 / (1 + z * z)


class Power(Activation):
    """max(z, 0)^exponent, or |z|^exponent sign(z)."""

    def __init__(self, exponent, odd=False):
        self.exponent, self.odd = exponent, odd

    def value(self, z):
        return np.where(z > 0, 1, -1 if self.odd else 0) * np.abs(z) ** self.exponent

    def derivative(self, z):
        return np.where(z > 0, 1, self.odd) * self.exponent * np.abs(z) ** (self.exponent - 1)


class Dip(Activation):
    """A cube whose derivative is negative on a short interval."""

    def value(self, z):
        return z**3 / 3 - z / 1000

    def derivative(self, z):
        return z**2 - 1 / 1000


class HardSigmoid(Activation):
    kinks = (-1.0, 3.0)

    def value(self, z):
        return np.clip(z, -1, 3)

    def derivative(self, z):
        return ((z > -1) & (z < 3)).astype(float)


class Exponential(Activation):
    kinks = ()

    def value(self, z):
        return np.exp(z)

    def derivative(self, z):
        return np.exp(z)


# Values and derivatives


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda z: (z + abs(z)) / 2),
        ("leaky_relu", lambda z: 0.505 * z + 0.495 * abs(z)),
        ("squared_relu", lambda z: z * (z + abs(z)) / 2),
        ("sigmoid", expit),
        ("tanh", lambda z: 1 - 2 / (np.exp(2 * z) + 1)),
        ("erf", lambda z: 1 - erfc(z)),
        ("gelu", lambda z: z * erfc(-z / math.sqrt(2)) / 2),
        ("softplus", lambda z: np.logaddexp(0, z)),
        ("identity", lambda z: z),
        ("square", lambda z: z**2),
    ],
)
def test_value_is_the_formula(name, formula):
    z = np.linspace(-30, 30, 1001)
    # Relative to the value where it is small: the left tails of sigmoid, softplus and gelu.
    atol = 1e-15 if name in ("tanh", "erf", "leaky_relu") else 1e-300
    assert_allclose(ACTIVATIONS[name]().value(z), formula(z), rtol=1e-12, atol=atol)


@every_activation
def test_derivative_matches_finite_differences(activation):
    z = np.linspace(-6, 6, 200)  # an even number: no kink on the grid
    step = 1e-5
    difference = (activation.value(z + step) - activation.value(z - step)) / (2 * step)
    assert_allclose(activation.derivative(z), difference, rtol=1e-8, atol=1e-9)


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_derivative_are_the_two(activation, dtype):
    z = np.linspace(-6, 6, 201).astype(dtype)
    value, derivative = activation.value_and_derivative(z)
    tolerance = 4 * np.finfo(dtype).eps
    assert value.dtype == derivative.dtype == dtype
    assert_allclose(value, activation.value(z), rtol=tolerance, atol=0)
    assert_allclose(derivative, activation.derivative(z), rtol=tolerance, atol=tolerance)


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0,), (7,), (5, 3), (2, 3, 4)])
def test_dtype_and_shape_are_kept_and_the_input_is_not_changed(activation, dtype, shape):
    z = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    before = z.copy()
    z.flags.writeable = False
    for result in (
        activation.value(z),
        activation.derivative(z),
        *activation.value_and_derivative(z),
    ):
        assert result.dtype == dtype
        assert result.shape == shape
        assert not np.shares_memory(result, z)
        assert result.flags.writeable
    assert_array_equal(z, before)


@every_activation
def test_memory_layout_does_not_matter(activation):
    z = np.random.default_rng(0).standard_normal((6, 8))
    for view in (z.T, z[::2, 1::3], np.asfortranarray(z)):
        value, derivative = activation.value_and_derivative(view)
        plain = activation.value_and_derivative(np.ascontiguousarray(view))
        assert_allclose(value, plain[0], rtol=1e-15)
        assert_allclose(derivative, plain[1], rtol=1e-15, atol=1e-16)


@every_activation
def test_single_precision_agrees_with_double(activation):
    z = np.linspace(-8, 8, 301).astype(np.float32)
    single, double = (
        activation.value_and_derivative(z),
        activation.value_and_derivative(z.astype(float)),
    )
    assert_allclose(single[0], double[0], rtol=1e-5, atol=1e-6)
    assert_allclose(single[1], double[1], rtol=1e-5, atol=1e-6)


@every_activation
def test_lists_integers_and_numbers_are_taken_for_floats(activation):
    expected = activation.value(np.array([-2.0, 0.0, 3.0]))
    assert_array_equal(activation.value([-2, 0, 3]), expected)
    for function, results in (
        (activation.value, [expected[2]]),
        (activation.derivative, activation.derivative(np.array([3.0]))),
    ):
        assert function(3).dtype == float
        assert function(3).shape == ()
        assert_allclose(function(3), results[0], rtol=1e-15)


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arguments_are_harmless(activation, dtype):
    z = np.array([-1e4, -800, -100, 100, 800, 1e4], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, derivative = activation.value_and_derivative(z)
        assert_array_equal(activation.value(z), value)
        assert_allclose(activation.derivative(z), derivative, rtol=1e-6)
    assert np.isfinite(value).all()
    assert np.isfinite(derivative).all()
    # No registered activation outgrows a square.
    assert (np.abs(value) <= 1.0001 * np.maximum(1, z.astype(float) ** 2)).all()


@every_activation
def test_homogeneity(activation):
    z = np.linspace(-4, 4, 101)
    is_homogeneous = [
        np.allclose(activation.value(2.5 * z), 2.5**degree * activation.value(z), rtol=1e-12)
        for degree in range(4)
    ]
    expected = [activation.degree == degree for degree in range(4)]
    assert is_homogeneous == expected


@every_activation
def test_symmetry(activation):
    z = np.linspace(0.1, 4, 101)
    mirrored, center = activation.value(-z) + activation.value(z), activation.value(np.zeros(1))
    if np.allclose(mirrored, 2 * center, rtol=0, atol=1e-14):
        expected = "odd" if center == 0 else "point"
    else:
        expected = "none"
    assert activation.symmetry == expected


# Hermite moments


@every_activation
@pytest.mark.parametrize(("sigma", "bias"), POINTS)
def test_moments_match_adaptive_quadrature(activation, sigma, bias):
    expected = gaussian_mean(
        lambda z: activation.value(sigma * z + bias) * hermite(z),
        breaks=[(kink - bias) / sigma for kink in activation.kinks],
    )
    for order in ORDERS:
        tolerance = 1e-11 * size(activation, order, sigma, bias)
        moment = activation.hermite_coefficient(order, sigma, bias)
        assert moment == pytest.approx(expected[order], rel=0, abs=tolerance)


@every_activation
def test_closed_forms_match_the_quadrature_of_the_base_class(activation):
    sigma, bias = np.meshgrid([1e-3, 0.3, 1.0, 7.0, 1e3, 1e6], [0.0, 1e-4, -0.7, 2.0, -30.0])
    ends = activation.value(np.abs(bias) + 3 * sigma), activation.value(-np.abs(bias) - 3 * sigma)
    largest = np.maximum(*np.abs(ends))
    for order in range(9):
        moment = activation.hermite_coefficient(order, sigma, bias)
        expected = ValueOnly(activation).hermite_coefficient(order, sigma, bias)
        error = np.abs(moment - expected) / (largest * math.sqrt(math.factorial(order)))
        assert np.max(error) < 1e-14


@every_activation
def test_moments_obey_stein(activation):
    """dm_j/db = m_{j+1} / s and dm_j/ds = (m_{j+2} + j m_j) / s."""
    sigma, bias, step = np.array([1.0, 0.4, 2.5]), np.array([0.3, -0.8, 1.5]), 1e-4
    moment = activation.hermite_coefficient
    for order in range(6):
        by_bias = moment(order, sigma, bias + step) - moment(order, sigma, bias - step)
        by_sigma = moment(order, sigma + step, bias) - moment(order, sigma - step, bias)
        this, following, second = (moment(order + i, sigma, bias) for i in range(3))
        atol = 1e-6 * math.factorial(order)
        assert_allclose(by_bias / (2 * step), following / sigma, rtol=0, atol=atol)
        assert_allclose(by_sigma / (2 * step), (second + order * this) / sigma, rtol=0, atol=atol)


@every_activation
@pytest.mark.parametrize("order", ORDERS)
def test_moments_inherit_homogeneity_and_symmetry(activation, order):
    sigma, bias = np.array([0.5, 1.0, 2.0]), np.array([0.3, 0.0, -1.0])
    moment = activation.hermite_coefficient(order, sigma, bias)
    if activation.degree is not None:
        scaled = activation.hermite_coefficient(order, 3 * sigma, 3 * bias)
        assert_allclose(scaled, 3**activation.degree * moment, rtol=1e-12, atol=1e-14)
    if activation.symmetry != "none":
        mirrored = activation.hermite_coefficient(order, sigma, -bias)
        twice_the_center = 2 * activation.value(np.zeros(1)) * (order == 0)
        assert_allclose(mirrored, twice_the_center - (-1) ** order * moment, atol=1e-14)
        if order % 2 == 0:  # exactly, not up to rounding
            assert moment[1] == twice_the_center / 2


@pytest.mark.parametrize(
    ("activation", "table"),
    [
        (ReLU(), [0.5, 0.399, 0, -0.399]),
        (LeakyReLU(0.01), [0.505, 0.395, 0, -0.395]),
        (SquaredReLU(), [0.798, 1, 0.798, 0]),
        (Tanh(), [0.606, 0, -0.364, 0]),
        (Erf(), [0.651, 0, -0.434, 0]),
        (Sigmoid(), [0.207, 0, -0.062, 0]),
        (GELU(), [0.5, 0.423, 0, -0.353]),
        (Softplus(), [0.5, 0.207, 0, -0.062]),
    ],
    ids=repr,
)
def test_table_of_moments(activation, table):
    moments = [activation.hermite_coefficient(order) for order in (1, 2, 3, 4)]
    assert_allclose(moments, table, rtol=0, atol=5.0001e-4)
    # What the table has as zero is zero, so that a vanishing moment can be told from a small one.
    assert [moment == 0 for moment in moments] == [entry == 0 for entry in table]


def test_moments_broadcast():
    sigma, bias = np.array([[0.5], [2.0]]), np.array([0.0, -1.0, 3.0])
    for activation in INSTANCES:
        moment = activation.hermite_coefficient(3, sigma, bias)
        assert moment.shape == (2, 3)
        one = activation.hermite_coefficient(3, 2.0, 3.0)
        assert type(one) is float
        assert moment[1, 2] == pytest.approx(one, rel=1e-13, abs=1e-15)


@every_activation
def test_moments_are_new_memory(activation):
    sigma, bias = np.ones(3), np.zeros(3)
    for order in ORDERS:
        activation.hermite_coefficient(order, sigma, bias)[:] = 7
    assert_array_equal([sigma, bias], [np.ones(3), np.zeros(3)])


@pytest.mark.parametrize("sigma", [1e-2, 1.0, 30.0, 1e3, 1e6])
def test_moment_of_a_user_activation_at_any_scale(sigma):
    # E[s / (1 + s^2 z^2)] = sqrt(pi / 2) exp(u^2) erfc(u), u = 1 / (s sqrt 2)
    expected = math.sqrt(math.pi / 2) * erfcx(1 / (sigma * math.sqrt(2)))
    assert Arctan().hermite_coefficient(1, sigma) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sigma", [1e3, 1e5])
def test_moment_of_a_steep_sigmoid(sigma):
    # s E[phi'(s z)] with the logistic density phi', of variance pi^2/3 and fourth moment 7 pi^4/15
    series = 1 - math.pi**2 / (6 * sigma**2) + 7 * math.pi**4 / (120 * sigma**4)
    expected = series / math.sqrt(2 * math.pi)
    assert Sigmoid().hermite_coefficient(1, sigma) == pytest.approx(expected, rel=1e-13)


def test_moments_with_two_kinks_away_from_zero():
    relu = ReLU()
    for sigma, bias in [*POINTS, (400.0, -60.0)]:
        for order in range(2, 5):
            expected = relu.hermite_coefficient(order, sigma, bias + 1)
            expected -= relu.hermite_coefficient(order, sigma, bias - 3)
            moment = HardSigmoid().hermite_coefficient(order, sigma, bias)
            assert moment == pytest.approx(expected, rel=0, abs=1e-13 * sigma)


def test_moments_without_kinks():
    # E[exp(s z) He_j(z)] = s^j exp(s^2 / 2)
    for order in range(8):
        moment = Exponential().hermite_coefficient(order, [0.5, 2.0])
        assert_allclose(moment, [0.5**order * np.exp(1 / 8), 2.0**order * np.exp(2)], rtol=1e-12)


@pytest.mark.parametrize("activation", [ReLU(), GELU(), Erf(), SquaredReLU()], ids=repr)
def test_moments_at_extreme_arguments_are_limits(activation):
    with np.errstate(all="raise", under="ignore"):
        high = activation.hermite_coefficient(0, 1e-300, 2.0)
        orders = [activation.hermite_coefficient(order, 1e-200, 1e100) for order in (2, 4)]
    assert high == pytest.approx(activation.value(np.array([2.0]))[0], rel=1e-15)
    assert orders == [0, 0]


def test_moments_at_huge_scales_are_those_of_a_step():
    # erf(s z) -> sign(z) and gelu(s z) / s -> relu(z)
    assert Erf().hermite_coefficient(1, 1e200) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-14)
    assert GELU().hermite_coefficient(1, 1e200) == pytest.approx(0.5e200, rel=1e-14)


# Properties


def decimals(entry):
    """Half a unit of the last digit of a number written as text."""
    mantissa, _, exponent = entry.partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize(
    ("activation", "table"),
    [
        (ReLU(), ".0908 .0908 .0908"),
        (LeakyReLU(0.01), ".0890 .0890 .0990"),
        (LeakyReLU(0.2), ".0581 .0581 .258"),
        (SquaredReLU(), ".363 2.454 .273"),
        (Sigmoid(), ".00214 .00291 .0298"),
        (Tanh(), ".0975 .0492 .147"),
        (Erf(), ".145 .0667 .141"),
        (Softplus(), "6.9e-4 .063 .207"),
        (GELU(), ".0268 .149 .071"),
        (get_activation("identity"), "0 0 1.000000000000"),
        (get_activation("square"), "0.00000000000 8.00000000000 -4.00000000000"),
    ],
    ids=repr,
)
def test_table_of_rho(activation, table):
    found = activation.properties(1.0)
    for term, entry in zip(found.rho_terms, table.split(), strict=True):
        assert abs(term - float(entry)) <= 1.0001 * decimals(entry)
    assert found.rho == min(found.rho_terms)
    assert found.sigma == 1.0


@every_activation
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0, 25.0])
def test_rho_is_its_definition(activation, sigma):
    def integrand(z):
        slope = activation.derivative(np.array([sigma * z]))[0]
        return np.array([slope, slope * z, slope * z * z, slope**2, (slope * z) ** 2])

    alpha_0, alpha_1, alpha_2, beta_0, beta_2 = gaussian_mean(integrand, breaks=activation.kinks)
    expected = (
        beta_0 - alpha_0**2 - alpha_1**2,
        beta_2 - alpha_1**2 - alpha_2**2,
        alpha_0 * alpha_2 - alpha_1**2,
    )
    tolerance = 1e-11 * (beta_0 + beta_2)
    assert_allclose(activation.properties(sigma).rho_terms, expected, rtol=0, atol=tolerance)


@every_activation
def test_rho_scales_with_the_degree(activation):
    if activation.degree is not None:
        one, three = activation.properties(1.0).rho_terms, activation.properties(3.0).rho_terms
        assert_allclose(three, np.multiply(one, 9.0 ** (activation.degree - 1)), atol=1e-13)


@every_activation
@pytest.mark.parametrize("sigma", [0.02, 1.0, 10.0, 1e4])
def test_which_properties_hold(activation, sigma):
    violated = {"gelu": ("3.1",), "identity": ("3.2",), "square": ("3.1", "3.2")}
    found = activation.properties(sigma)
    assert found.violated == violated.get(activation.name, ())
    assert found.homogeneously_bounded == ("3.1" not in found.violated)
    assert found.rho_positive == ("3.2" not in found.violated)
    piecewise_linear = activation.name in ("relu", "leaky_relu")
    kind = "piecewise linear" if piecewise_linear else "bounded second derivative"
    assert found.smooth_or_piecewise_linear == kind


@pytest.mark.parametrize(
    ("activation", "bounded", "kind"),
    [
        (Arctan(), True, "bounded second derivative"),
        (Power(1.5), True, None),  # phi'' is unbounded at zero
        (Power(3, odd=True), True, None),  # phi'' is unbounded far out
        (Dip(), False, None),
        (Power(2, odd=True), True, "bounded second derivative"),
        (HardSigmoid(), True, "piecewise linear"),
        (Exponential(), False, None),  # outgrows every power
    ],
    ids=["arctan", "power 3/2", "cube", "dip", "signed square", "hard sigmoid", "exp"],
)
def test_properties_of_a_user_activation(activation, bounded, kind):
    found = activation.properties()
    assert found.homogeneously_bounded is bounded
    assert found.rho_positive is True
    assert found.smooth_or_piecewise_linear == kind


def test_properties_are_plain_immutable_values():
    found = ReLU().properties()
    assert [type(term) for term in found.rho_terms] == [float] * 3
    assert type(found.rho_positive) is type(found.homogeneously_bounded) is bool
    assert found == ReLU().properties()
    with pytest.raises(AttributeError):
        found.rho = 1.0


# Instances, registry, errors


@every_activation
def test_instances_are_values(activation):
    for twin in (
        pickle.loads(pickle.dumps(activation)),
        copy.deepcopy(activation),
        eval(repr(activation), vars(activations)),
    ):
        assert twin == activation
        assert hash(twin) == hash(activation)
    assert [other == activation for other in INSTANCES].count(True) == 1
    assert activation != activation.name


def test_parameters_distinguish_instances():
    assert repr(LeakyReLU(slope=0.2)) == "LeakyReLU(slope=0.2)"
    assert LeakyReLU(0.2) != LeakyReLU(0.1)
    assert len({LeakyReLU(0.2), LeakyReLU(0.2), LeakyReLU(0.1), ReLU(), ReLU()}) == 3


def test_registry():
    assert all(cls.name in ACTIVATIONS for cls in ACTIVATIONS.values())
    assert ACTIVATIONS["logistic"] is Sigmoid
    for name, cls in ACTIVATIONS.items():
        assert get_activation(name) == cls()
    mine = Arctan()
    assert get_activation(mine) is mine
    assert mine.name == "arctan"


def test_every_activation_of_the_module_is_registered():
    defined = {
        cls
        for cls in vars(activations).values()
        if isinstance(cls, type) and issubclass(cls, Activation) and cls is not Activation
    }
    assert defined == set(ACTIVATIONS.values())


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match=r"logistic.*relu.*tanh.*got 'rleu'"):
        get_activation("rleu")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (ReLU, r"pass an instance, .*activations.ReLU\(\)"),
        (None, "got None"),
        (np.tanh, "a name such as 'relu'"),
    ],
)
def test_neither_name_nor_instance(wrong, message):
    with pytest.raises(TypeError, match=message):
        get_activation(wrong)


@pytest.mark.parametrize("slope", [-0.1, 1.0, 2, math.inf, math.nan])
def test_slope_out_of_range(slope):
    with pytest.raises(ValueError, match="0 <= slope < 1, got"):
        LeakyReLU(slope)


@pytest.mark.parametrize("slope", ["0.1", None, 1j, True, np.zeros(2)])
def test_slope_is_no_number(slope):
    with pytest.raises(TypeError, match="slope must be a real number"):
        LeakyReLU(slope)


@pytest.mark.parametrize("slope", [0, np.float32(0.25)])
def test_slope_becomes_a_float(slope):
    activation = LeakyReLU(slope)
    assert type(activation.slope) is float
    assert activation.value(np.ones(2, dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("activation", [ReLU(), Arctan()], ids=repr)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "order must be an int >= 0, got -1"),
        ((1.0,), "order must be an int >= 0, got 1.0"),
        ((1, 0.0), "sigma must be positive and finite"),
        ((1, [1.0, -2.0]), "sigma must be positive and finite"),
        ((1, math.inf), "sigma must be positive and finite"),
        ((1, math.nan), "sigma must be positive and finite"),
        ((1, 1.0, math.nan), "bias must be finite"),
        ((1, 1.0, [0.0, math.inf]), "bias must be finite"),
    ],
)
def test_moment_arguments_out_of_range(activation, arguments, message):
    with pytest.raises(ValueError, match=message):
        activation.hermite_coefficient(*arguments)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [(0.0, "positive and finite"), (math.nan, "positive and finite"), ([1.0, 2.0], "one number")],
)
def test_property_arguments_out_of_range(sigma, message):
    with pytest.raises(ValueError, match=message):
        ReLU().properties(sigma)


def test_a_result_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match=r"order 2 of Exponential\(\) is not finite"):
        Exponential().hermite_coefficient(2, 1e3)
    with pytest.raises(ValueError, match=r"derivative of Exponential\(\) is not finite"):
        Exponential().properties(1e3)


def test_a_subclass_must_define_value_and_derivative():
    class Half(Activation):
        def value(self, z):
            return z / 2

    with pytest.raises(TypeError, match="derivative"):
        Half()
