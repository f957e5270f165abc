"""Model-based estimates of domains: published numbers, closed forms, brute force and simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize, stats

from sinkest.errors import InputError
from sinkest.estimate.nestederror import Moments, maximise
from sinkest.estimate.smallarea import eblup_unit, fay_herriot, smooth_variances

# Twelve domains in two groups, with unequal sampling variances
DIRECT = np.array([4.1, 5.6, 3.2, 6.4, 5.1, 4.4, 8.3, 7.1, 9.9, 6.2, 8.8, 10.4])
SAMPLING = np.array([0.2, 0.9, 0.4, 1.6, 0.3, 0.7, 0.5, 1.1, 2.0, 0.3, 0.6, 1.4])
GROUP = pd.DataFrame({"second": [0.0] * 6 + [1.0] * 6})


@pytest.fixture(scope="module")
def corn(real_data: Path) -> dict:
    sample = pd.read_csv(real_data / "inventory" / "sae_cornsoybean.csv").drop(index=32)
    means = pd.read_csv(real_data / "inventory" / "sae_cornsoybeanmeans.csv").set_index("CountyIndex")
    return {
        "y": sample["CornHec"],
        "x": sample[["CornPix", "SoyBeansPix"]],
        "domain": sample["County"],
        "domain_x_mean": means[["MeanCornPixPerSeg", "MeanSoyBeansPixPerSeg"]],
        "size": means["PopnSegments"],
    }


def unit_sample(seed: int = 1, domains: int = 8, sd_domain: float = 2.0) -> dict:
    rng = np.random.default_rng(seed)
    domain = np.repeat(np.arange(domains), rng.integers(1, 6, domains))
    x = rng.normal(50, 10, (len(domain), 2))
    effect = rng.normal(0, sd_domain, domains)
    y = 100 + x @ [1.0, -0.5] + effect[domain] + rng.normal(0, 3, len(domain))
    return {"y": y, "x": x, "domain": domain, "domain_x_mean": pd.DataFrame(rng.normal(50, 2, (domains, 2)))}


# Unit level: published numbers


def test_corn_model_is_as_published(corn: dict, real_data: Path) -> None:
    golden = json.loads((real_data / "golden.json").read_text())["BHF_corn_landsat"]
    found = eblup_unit(corn["y"], corn["x"], corn["domain"], corn["domain_x_mean"])
    reml = golden["reml"]
    assert found.beta[0] == pytest.approx(reml["b0"], abs=5e-5)
    assert found.beta[1:].tolist() == pytest.approx([reml["corn"], reml["soy"]], abs=5e-6)
    assert found.sd_domain == pytest.approx(reml["sd_county"], abs=1e-5)
    assert found.sd_residual == pytest.approx(reml["sd_resid"], abs=6e-6)
    assert found.table["estimate"].tolist() == pytest.approx(list(golden["EBLUP"].values()), abs=0.005)
    assert found.coefficients.index.tolist() == ["intercept", "CornPix", "SoyBeansPix"]
    assert found.notes[0].key == "smallarea.matched_by_position"


def test_corn_with_county_sizes_is_as_published(corn: dict) -> None:
    # Molina & Marhuenda (2015), R Journal 7(1), example 4
    found = eblup_unit(corn["y"], corn["x"], corn["domain"], corn["domain_x_mean"], corn["size"])
    published = [122.1954, 126.2280, 106.6638, 108.4222, 144.3072, 112.1586, 112.7801, 122.0020, 115.3438, 124.4144,
                 106.8883, 143.0312]  # fmt: skip
    assert found.table["estimate"].tolist() == pytest.approx(published, abs=6e-5)


# Unit level: closed forms and brute force


def test_balanced_domains_follow_the_analysis_of_variance() -> None:
    # 3 domains of 2: (1, 3), (4, 6), (10, 12): means 2, 5, 11; within SS 2 * 3 = 6, 3 df: s_e^2 = 2
    # between: mean 6, 2 * (16 + 1 + 25) = 84, 2 df: 42; s_v^2 = (42 - 2) / 2 = 20; gamma = 20 / 21
    y, domain = [1.0, 3.0, 4.0, 6.0, 10.0, 12.0], [0, 0, 1, 1, 2, 2]
    found = eblup_unit(y, np.empty((6, 0)), domain, pd.DataFrame(index=[0, 1, 2]))
    assert found.sd_residual**2 == pytest.approx(2.0)
    assert found.sd_domain**2 == pytest.approx(20.0)
    assert found.table["estimate"].tolist() == pytest.approx([6 - 4 * 20 / 21, 6 - 20 / 21, 6 + 5 * 20 / 21])
    assert found.table["gamma"].tolist() == pytest.approx([20 / 21] * 3)


def test_prasad_rao_error_by_hand() -> None:
    # as above: g1 = 20 * 2 / 42; g2 = (1 - gamma)^2 Var(beta) with Var(beta) = 42 / 6 = 7
    # information (times 2): vv 3 * 4 / 42^2, ve 3 * 2 / 42^2, ee 3 * (1 / 4 + 1 / 42^2)
    y, domain = [1.0, 3.0, 4.0, 6.0, 10.0, 12.0], [0, 0, 1, 1, 2, 2]
    found = eblup_unit(y, np.empty((6, 0)), domain, pd.DataFrame(index=[0, 1, 2]))
    inverse = np.linalg.inv(0.5 * np.array([[12 / 1764, 6 / 1764], [6 / 1764, 3 * (0.25 + 1 / 1764)]]))
    h = 20**2 * inverse[1, 1] + 2**2 * inverse[0, 0] - 2 * 20 * 2 * inverse[0, 1]
    g3 = 2 ** (-2) * (20 + 1) ** (-3) * h
    expected = 40 / 42 + (1 / 21) ** 2 * 7 + 2 * g3
    assert found.table["mse"].tolist() == pytest.approx([expected] * 3)
    assert found.table["se"].tolist() == pytest.approx([math.sqrt(expected)] * 3)


def dense_log_likelihood(data: dict, sv: float, se: float, restricted: bool) -> float:
    """Log-likelihood from the full covariance matrix."""
    x = np.column_stack([np.ones(len(data["y"])), data["x"]])
    same = data["domain"][:, None] == data["domain"][None, :]
    v = se * np.eye(len(x)) + sv * same
    inverse = np.linalg.inv(v)
    beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ data["y"])
    r = data["y"] - x @ beta
    n, k = x.shape
    value = np.linalg.slogdet(v)[1] + r @ inverse @ r + (n - (k if restricted else 0)) * np.log(2 * np.pi)
    if restricted:
        value += np.linalg.slogdet(x.T @ inverse @ x)[1]
    return -0.5 * float(value)


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_variances_are_more_likely(method: str, seed: int) -> None:
    data = unit_sample(seed)
    found = eblup_unit(**data, method=method)
    restricted = method == "reml"
    top = dense_log_likelihood(data, found.sd_domain**2, found.sd_residual**2, restricted)
    assert found.log_likelihood == pytest.approx(top)
    for sv in [0.0, *np.geomspace(1e-3, 1e3, 13) * max(found.sd_domain**2, 0.1)]:
        for factor in (0.8, 0.97, 1.0, 1.03, 1.25):
            other = dense_log_likelihood(data, sv, found.sd_residual**2 * factor, restricted)
            assert other <= top + 1e-9


def test_the_highest_of_several_maxima_is_found() -> None:
    # one huge pair-rich domain and many singles pull the ratio both ways; the scan must not stop at the first maximum
    for seed in range(8):
        rng = np.random.default_rng(seed)
        code = np.concatenate([np.zeros(30, dtype=int), np.arange(1, 9)])
        y = np.concatenate([rng.normal(0, 1, 30), rng.normal(0, 4, 8)])
        moments = Moments.of(y, np.ones((38, 1)), code, 9)
        found = maximise(moments)
        data = {"y": y, "x": np.empty((38, 0)), "domain": code}
        ratios = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 121)])
        best = max(_profiled(data, ratio) for ratio in ratios)
        assert found.log_likelihood >= best - 1e-9


def _profiled(data: dict, ratio: float) -> float:
    n = np.bincount(data["domain"])
    mean = np.bincount(data["domain"], weights=data["y"]) / n
    weight = n / (1 + n * ratio)
    centre = (weight * mean).sum() / weight.sum()
    within = ((data["y"] - mean[data["domain"]]) ** 2).sum()
    residual = (within + (weight * (mean - centre) ** 2).sum()) / (n.sum() - 1)
    return dense_log_likelihood(data, ratio * residual, residual, True)


def test_no_variation_between_domains_gives_the_regression_and_a_note() -> None:
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1, 2, 3], 5)
    y = np.tile(rng.normal(0, 1, 5), 4)  # every domain has the same values
    found = eblup_unit(y, np.empty((20, 0)), domain, pd.DataFrame(index=range(4)))
    assert found.sd_domain == 0.0
    assert found.table["estimate"].tolist() == pytest.approx([y.mean()] * 4)
    assert found.notes[0].key == "smallarea.no_domain_variance"


def test_estimates_lie_between_regression_and_survey_regression() -> None:
    found = eblup_unit(**unit_sample()).table
    gamma = found["gamma"]
    assert ((gamma > 0) & (gamma < 1)).all()
    assert (gamma.sort_values().index == found["n"].sort_values(kind="stable").index).sum() >= 1
    assert gamma.groupby(found["n"]).nunique().max() == 1
    assert found["estimate"].tolist() == pytest.approx((found["synthetic"] + found["domain_effect"]).tolist())


def test_a_domain_without_units_has_a_new_effect_in_its_error() -> None:
    data = unit_sample()
    data["domain_x_mean"].loc[99] = [50.0, 50.0]
    found = eblup_unit(**data)
    row = found.table.loc[99]
    x = np.array([1.0, 50.0, 50.0])
    assert row["estimate"] == pytest.approx(x @ found.beta)
    assert row["mse"] == pytest.approx(found.sd_domain**2 + x @ found.beta_covariance @ x)
    assert (row["gamma"], row["n"], row["note"]) == (0.0, 0, "smallarea.synthetic_only")


def test_a_domain_without_means_has_no_estimate() -> None:
    data = unit_sample()
    data["domain_x_mean"] = data["domain_x_mean"].drop(index=3)
    row = eblup_unit(**data).table.loc[3]
    assert np.isnan(row["estimate"])
    assert row["note"] == "smallarea.no_true_means"


def test_a_domain_known_completely_has_no_error() -> None:
    data = unit_sample()
    inside = data["domain"] == 2
    data["domain_x_mean"].loc[2] = data["x"][inside].mean(axis=0)
    size = dict.fromkeys(range(8), 1000) | {2: int(inside.sum())}
    row = eblup_unit(**data, domain_size=size).table.loc[2]
    assert row["estimate"] == pytest.approx(data["y"][inside].mean())
    assert row["mse"] == pytest.approx(0.0, abs=1e-12)


def test_the_unit_of_the_auxiliaries_does_not_matter() -> None:
    data = unit_sample()
    plain = eblup_unit(**data)
    data["x"] = data["x"] * [1e6, 1e-6] + [3e9, 0.0]
    data["domain_x_mean"] = data["domain_x_mean"] * [1e6, 1e-6] + [3e9, 0.0]
    data["y"] = data["y"] * 1e4
    scaled = eblup_unit(**data)
    assert scaled.table["estimate"].tolist() == pytest.approx((plain.table["estimate"] * 1e4).tolist(), rel=1e-8)
    assert scaled.table["se"].tolist() == pytest.approx((plain.table["se"] * 1e4).tolist(), rel=1e-6)


@given(st.integers(0, 5000))
@settings(max_examples=20, deadline=None)
def test_order_of_units_does_not_matter(seed: int) -> None:
    data = unit_sample(seed)
    order = np.random.default_rng(seed).permutation(len(data["y"]))
    shuffled = {key: value if key == "domain_x_mean" else value[order] for key, value in data.items()}
    first, second = eblup_unit(**data).table, eblup_unit(**shuffled).table
    assert second["estimate"].tolist() == pytest.approx(first["estimate"].tolist())
    assert second["se"].tolist() == pytest.approx(first["se"].tolist(), rel=1e-5)


# Unit level: simulation and bootstrap


def unit_simulation(reps: int, **options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    n = np.array([1, 2, 3, 4, 6] * 4)
    domain = np.repeat(np.arange(20), n)
    x = rng.normal(0, 1, len(domain))
    x_mean = rng.normal(0, 0.3, 20)
    errors, mse, inside = [], [], []
    for _ in range(reps):
        effect = rng.normal(0, 1.5, 20)
        y = 3 + 2 * x + effect[domain] + rng.normal(0, 2, len(domain))
        table = eblup_unit(y, x, domain, pd.Series(x_mean), **options).table
        truth = 3 + 2 * x_mean + effect
        errors.append(table["estimate"] - truth)
        mse.append(table["mse"])
        inside.append(abs(table["estimate"] - truth) <= stats.norm.ppf(0.975) * table["se"])
    return np.array(errors), np.array(mse), np.array(inside)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_mean_squared_errors_are_what_they_claim(method: str) -> None:
    errors, mse, inside = unit_simulation(160, method=method)
    by_size = (errors**2).mean(axis=0).reshape(4, 5).mean(axis=0)
    claimed = mse.mean(axis=0).reshape(4, 5).mean(axis=0)
    assert abs(errors.mean()) < 0.1
    assert ((claimed / by_size > 0.85) & (claimed / by_size < 1.2)).all()
    assert 0.925 <= inside.mean() <= 0.975


def test_bootstrap_agrees_with_prasad_rao() -> None:
    data = unit_sample(2, domains=15)
    analytic = eblup_unit(**data).table["mse"]
    found = eblup_unit(**data, mse="bootstrap", n_bootstrap=150, rng=np.random.default_rng(3))
    ratio = found.table["mse"] / analytic
    assert 0.8 < ratio.mean() < 1.15
    again = eblup_unit(**data, mse="bootstrap", n_bootstrap=150, rng=np.random.default_rng(3))
    assert again.table["mse"].tolist() == found.table["mse"].tolist()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"method": "anova"}, "smallarea.unknown_choice"),
        ({"mse": "jackknife"}, "smallarea.unknown_choice"),
        ({"mse": "bootstrap"}, "smallarea.bootstrap_needs"),
        ({"domain": np.zeros(27, dtype=int)}, "smallarea.domains_cannot_be_told"),
        ({"domain": np.arange(27)}, "smallarea.domains_cannot_be_told"),
        ({"y": np.full(27, 5.0)}, "smallarea.no_variation"),
        ({"y": np.full(27, np.nan)}, "estimate.not_finite"),
        ({"domain_size": {0: 100}}, "smallarea.no_domain_size"),
        ({"domain_size": dict.fromkeys(range(8), 0.5)}, "smallarea.domain_size"),
        ({"domain_x_mean": pd.DataFrame([[1.0]], index=[0])}, "smallarea.missing_means"),
        ({"domain_x_mean": pd.DataFrame([[2.0, 1.0]], index=["x"])}, "smallarea.no_common_domain"),
    ],
)
def test_bad_unit_samples_are_refused(changes: dict, key: str) -> None:
    data = unit_sample()
    assert len(data["y"]) == 27
    with pytest.raises(InputError) as caught:
        eblup_unit(**{**data, **changes})
    assert caught.value.key == key
    assert str(caught.value)


# Area level: an independent calculation with full matrices


def test_reml_is_the_mixed_model_solved_at_the_maximum_of_its_likelihood() -> None:
    x, psi = np.column_stack([np.ones(12), GROUP["second"]]), np.diag(SAMPLING)

    def contrasts(a: float) -> float:
        # the likelihood of 10 contrasts that are free of the coefficients, which is what "restricted" means
        free = linalg.null_space(x.T)
        return -stats.multivariate_normal(cov=free.T @ (psi + a * np.eye(12)) @ free).logpdf(DIRECT @ free)

    a = optimize.minimize_scalar(contrasts, bounds=(1e-6, 20.0), method="bounded", options={"xatol": 1e-10}).x
    # Henderson's equations for the coefficients and the domain effects together
    weight = np.linalg.inv(psi)
    left = np.block([[x.T @ weight @ x, x.T @ weight], [weight @ x, weight + np.eye(12) / a]])
    solved = np.linalg.solve(left, np.concatenate([x.T @ weight @ DIRECT, weight @ DIRECT]))
    found = fay_herriot(DIRECT, SAMPLING, GROUP)
    assert found.domain_variance == pytest.approx(a, rel=1e-5)
    assert found.beta.tolist() == pytest.approx(solved[:2].tolist(), rel=1e-6)
    assert found.table["estimate"].tolist() == pytest.approx((x @ solved[:2] + solved[2:]).tolist(), rel=1e-6)
    # the errors of these predictions have the inverse of the same equations as covariance; on top of that comes
    # 2 psi^2 / (psi + a)^3 V(a), with V(a) from the expected information of the likelihood
    every = np.hstack([x, np.eye(12)])
    inside = np.diag(every @ np.linalg.inv(left) @ every.T)
    inverse = np.linalg.inv(psi + a * np.eye(12))
    spread = 2.0 / np.trace(inverse @ inverse)
    expected = inside + 2 * SAMPLING**2 / (SAMPLING + a) ** 3 * spread
    assert found.table["mse"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)


# Area level: closed forms and brute force


@pytest.mark.parametrize("method", ["reml", "moment"])
def test_equal_sampling_variances_have_a_closed_form(method: str) -> None:
    # y = 1, 2, 6: mean 3, s^2 = (4 + 1 + 9) / 2 = 7; psi 2, so A = 5, gamma 5 / 7
    found = fay_herriot([1.0, 2.0, 6.0], [2.0, 2.0, 2.0], method=method)
    assert found.domain_variance == pytest.approx(5.0)
    assert found.table["estimate"].tolist() == pytest.approx([3 - 10 / 7, 3 - 5 / 7, 3 + 15 / 7])
    # g1 = 5 * 2 / 7, g2 = (2/7)^2 * 7/3, V(A) = 2 * 49 / 3, g3 = (2/7)^2 V(A) / 7
    g3 = (2 / 7) ** 2 * (2 * 49 / 3) / 7
    assert found.table["mse"].tolist() == pytest.approx([10 / 7 + (2 / 7) ** 2 * 7 / 3 + 2 * g3] * 3)
    assert found.sd_domain == pytest.approx(math.sqrt(5))


def test_equal_sampling_variances_by_maximum_likelihood() -> None:
    # the mean square of the deviations is 14 / 3, so A = 14 / 3 - 2
    assert fay_herriot([1.0, 2.0, 6.0], [2.0, 2.0, 2.0], method="ml").domain_variance == pytest.approx(14 / 3 - 2)


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_domain_variance_is_more_likely(method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    psi, x = rng.gamma(1, 2, 12) + 0.05, rng.normal(size=12)
    y = 1 + x + rng.normal(0, 1.2, 12) + rng.normal(size=12) * np.sqrt(psi)
    design = np.column_stack([np.ones(12), x])

    def value(a: float) -> float:
        w = 1 / (psi + a)
        cross = (design * w[:, None]).T @ design
        r = y - design @ np.linalg.solve(cross, design.T @ (w * y))
        extra = np.linalg.slogdet(cross)[1] if method == "reml" else 0.0
        return -0.5 * float(-np.log(w).sum() + (w * r**2).sum() + extra)

    found = fay_herriot(y, psi, x, method=method)
    assert value(found.domain_variance) >= max(value(a) for a in [0.0, *np.geomspace(1e-6, 1e4, 400)]) - 1e-9


def test_no_variation_beyond_sampling_gives_the_regression_and_a_note() -> None:
    for method in ("reml", "ml", "moment"):
        found = fay_herriot([1.0, 1.1, 0.9, 1.0], [4.0, 4.0, 4.0, 2.0], method=method)
        assert found.domain_variance == 0.0
        assert found.table["gamma"].tolist() == [0.0] * 4
        assert found.notes[0].key == "smallarea.no_domain_variance"


def test_domains_without_a_sample_get_the_regression() -> None:
    index = pd.Index(["a", "b", "c", "d", "e"], name="county")
    estimate = pd.Series([1.0, 2.0, 3.5, 4.0, np.nan], index=index)
    x = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.5, 5.0]}, index=index)
    found = fay_herriot(estimate, [0.1, 0.1, 0.2, 0.1, np.nan], x)
    row = found.table.loc["e"]
    design = np.array([1.0, 5.0])
    assert row["estimate"] == pytest.approx(design @ found.beta)
    assert row["mse"] == pytest.approx(found.domain_variance + design @ found.beta_covariance @ design)
    assert row["note"] == "smallarea.synthetic_only"
    assert any("e:" in str(note) for note in found.notes)


def test_area_level_errors_are_what_they_claim() -> None:
    rng = np.random.default_rng(4)
    psi, x = rng.uniform(0.5, 3, 25), rng.normal(size=25)
    for method in ("reml", "ml", "moment"):
        errors, mse = [], []
        for _ in range(120):
            truth = 2 + x + rng.normal(0, 1.2, 25)
            table = fay_herriot(truth + rng.normal(size=25) * np.sqrt(psi), psi, x, method=method).table
            errors.append(table["estimate"] - truth)
            mse.append(table["mse"])
        assert np.mean(mse) / np.mean(np.square(errors)) == pytest.approx(1.0, abs=0.15)


def test_area_level_bootstrap_agrees_with_prasad_rao() -> None:
    rng = np.random.default_rng(2)
    psi = rng.uniform(0.3, 1.5, 40)
    direct = 5.0 + rng.normal(0.0, 1.0, 40) + rng.normal(size=40) * np.sqrt(psi)
    analytic = fay_herriot(direct, psi).table["mse"]
    found = fay_herriot(direct, psi, mse="bootstrap", n_bootstrap=100, rng=rng)
    assert (found.table["mse"] / analytic).mean() == pytest.approx(1.0, abs=0.12)
    assert found.mse_method == "bootstrap"


# Smoothing


def test_pooled_smoothing_by_hand() -> None:
    # unit variances 2 * 4 = 8 with 1 df and 4 * 1 = 4 with 3 df: pooled (8 + 12) / 4 = 5; divided by 2, 4 and 1
    assert smooth_variances([4.0, 1.0, np.nan], [2, 4, 1]).tolist() == [2.5, 1.25, 5.0]


def test_variance_function_recovers_a_power_of_the_mean() -> None:
    # v n = 0.25 * estimate^1.5 exactly
    level, n = np.array([10.0, 40.0, 90.0, 160.0]), np.array([3.0, 5.0, 8.0, 20.0])
    variance = 0.25 * level**1.5 / n
    smooth = smooth_variances([*variance, np.nan], [*n, 1], [*level, 250.0], method="gvf")
    assert smooth.tolist() == pytest.approx([*variance, 0.25 * 250**1.5])


def test_smoothing_is_applied_and_noted() -> None:
    found = fay_herriot([1.0, 2.0, 6.0], [2.0, np.nan, 1.0], n=[2, 1, 4], smoothing="pooled")
    # unit variances 4 (1 df) and 4 (3 df): 4 / n
    assert found.table["variance"].tolist() == pytest.approx([2.0, 4.0, 1.0])
    assert found.notes[0].key == "smallarea.smoothed_pooled"


@pytest.mark.parametrize(
    ("arguments", "options", "key"),
    [
        (([1.0, 2.0, 3.0], [1.0, -1.0, 1.0]), {}, "smallarea.sampling_variance"),
        (([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]), {}, "smallarea.sampling_variance"),
        (([1.0, 2.0, 3.0], [1.0, np.nan, 1.0]), {}, "smallarea.sampling_variance"),
        (([1.0, 2.0], [1.0, 1.0]), {}, "smallarea.too_few_domains"),
        (([1.0, 2.0, 3.0], [1.0] * 3), {"smoothing": "pooled"}, "smallarea.smoothing_needs_n"),
        (([1.0, 2.0, 3.0], [1.0] * 3), {"smoothing": "other", "n": [2, 2, 2]}, "smallarea.unknown_choice"),
        (([1.0, 2.0, 3.0], [1.0] * 3), {"method": "other"}, "smallarea.unknown_choice"),
        (([1.0, 2.0, 3.0], [1.0] * 3), {"mse": "bootstrap"}, "smallarea.bootstrap_needs"),
        (([1.0, 2.0, 3.0], [1.0] * 3, [1.0, np.nan, 2.0]), {}, "estimate.not_finite"),
    ],
)
def test_bad_area_samples_are_refused(arguments: tuple, options: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        fay_herriot(*arguments, **options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("arguments", "options", "key"),
    [
        (([1.0], [2]), {"method": "other"}, "smallarea.unknown_choice"),
        (([-1.0], [2]), {}, "smallarea.sampling_variance"),
        (([np.nan], [1]), {}, "smallarea.cannot_smooth"),
        (([1.0], [2]), {"method": "gvf"}, "smallarea.gvf_needs_estimate"),
        (([1.0, 2.0], [2, 3], [5.0, 6.0]), {"method": "gvf"}, "smallarea.cannot_smooth"),
    ],
)
def test_smoothing_refuses_bad_input(arguments: tuple, options: dict, key: str) -> None:
    with pytest.raises(InputError) as caught:
        smooth_variances(*arguments, **options)
    assert caught.value.key == key


def test_models_read_well() -> None:
    assert repr(eblup_unit(**unit_sample())).startswith("UnitModel(reml, beta=[")
    assert repr(fay_herriot([1.0, 2.0, 6.0], [2.0] * 3)).startswith("AreaModel(reml, beta=[3.")
