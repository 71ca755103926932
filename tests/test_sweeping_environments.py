"""Environments: which facts make one, which do not, and how devices are asked for in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.host import cpu_name, cpu_type, difference
from layerprof.sweeping.environments import environment_id, environment_of, environment_of_cpu, main, probe


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine of the test has set must not decide it."""
    prefixes = (
        "OMP",
        "MKL",
        "MALLOC",
        "DNNL",
        "ONEDNN",
        "KMP",
        "GOMP",
        "ATEN",
        "TORCH",
        "CUBLAS",
        "PYTORCH",
        "OPENBLAS",
        "TRITON",
        "CUDA_",
        "PYTHONMALLOC",
        "PYTHONDEVMODE",
        "PYTHONOPTIMIZE",
        "USE_HUB",
        "GLIBC",
        "LD_",
    )
    for name in list(os.environ):
        if name.startswith((*prefixes, "NVIDIA_TF32", "LAYERPROF_DEVICE_TYPE")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("layerprof.sweeping.base.facts.cpu_quota", lambda: None)
    monkeypatch.setattr("layerprof.sweeping.base.facts._KERNEL_PACKAGES", ())
    monkeypatch.setattr("os.getpriority", lambda which, who: 0)


def test_a_processor_is_an_environment_with_its_versions() -> None:
    facts = environment_of_cpu(isolation="process").facts

    assert list(facts) == [
        *("layerprof", "torch", "transformers", "python", "platform", "cpu", "cores", "threads", "isolation"),
        *("device", "device_type"),
    ]
    assert (facts["layerprof"], facts["cpu"], facts["device"]) == (lp.__version__, cpu_name(), "cpu")


def test_an_environment_is_told_without_torch() -> None:
    program = (
        "import sys; from layerprof.sweeping.environments import environment_of_cpu as of; of(isolation='process'); "
        "assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_same_facts_have_the_same_id_in_any_order() -> None:
    assert environment_id({"a": "1", "b": "2"}) == environment_id({"b": "2", "a": "1"}) == "21f76dfbfe6dfe21"


def test_runs_in_this_process_are_another_environment() -> None:
    assert environment_of_cpu(isolation="inline").id != environment_of_cpu(isolation="process").id


def test_a_label_makes_another_type_of_device(monkeypatch: pytest.MonkeyPatch) -> None:
    unlabelled = environment_of_cpu(isolation="process")
    monkeypatch.setenv("LAYERPROF_DEVICE_TYPE", "A100")

    labelled = environment_of_cpu(isolation="process")

    assert cpu_type() == labelled.facts["device_type"] == "A100"
    assert labelled.id != unlabelled.id


@pytest.mark.parametrize(
    "name",
    [
        *("LD_PRELOAD", "MALLOC_ARENA_MAX", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "KMP_AFFINITY"),
        *("OMP_PROC_BIND", "ATEN_CPU_CAPABILITY", "TORCHINDUCTOR_MAX_AUTOTUNE", "TORCH_BLAS_PREFER_CUBLASLT"),
        *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "PYTORCH_CUDA_ALLOC_CONF", "CUDA_LAUNCH_BLOCKING"),
        *("CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_MODULE_LOADING", "GLIBC_TUNABLES", "LD_LIBRARY_PATH", "PYTHONMALLOC"),
        *("PYTHONDEVMODE", "PYTHONOPTIMIZE", "TRITON_INTERPRET", "USE_HUB_KERNELS"),
    ],
)
def test_a_variable_that_changes_speed_is_a_fact(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")

    assert environment_of_cpu(isolation="process").facts[name] == "x"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "TORCH_HOME",
            "TORCHINDUCTOR_CACHE_DIR",
            "TORCH_LOGS",
            "HOSTNAME",
            "CUDA_VISIBLE_DEVICES",
            "TRITON_CACHE_DIR",
        ),
        *("TORCHELASTIC_RUN_ID", "TORCH_SHOW_CPP_STACKTRACES", "TORCH_CPP_LOG_LEVEL", "TORCH_TRACE", "PYTHONPATH"),
        *("CUBLAS_LOGDEST_DBG", "CUBLASLT_LOG_LEVEL", "TORCH_LOGS_FORMAT"),
    ],
)
def test_a_variable_that_does_not_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = environment_of_cpu(isolation="process")
    monkeypatch.setenv(name, "x")

    assert environment_of_cpu(isolation="process") == before


def test_the_users_number_of_threads_is_a_fact_as_what_a_run_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "7")  # set anew for each run's process

    in_processes = environment_of_cpu(isolation="process").facts
    here = environment_of_cpu(isolation="inline").facts

    assert in_processes["threads"] == "1"
    assert not any(name.endswith("_NUM_THREADS") for name in in_processes)
    assert (here["OMP_NUM_THREADS"], here["MKL_NUM_THREADS"]) == ("1", "7")


def test_another_number_of_threads_is_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = environment_of_cpu(isolation="process")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    assert environment_of_cpu(isolation="process").id != before.id


def test_what_holds_a_process_back_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    free = environment_of_cpu(isolation="process")
    monkeypatch.setattr("layerprof.sweeping.base.facts.cpu_quota", lambda: 1.5)
    monkeypatch.setattr("os.getpriority", lambda which, who: 10)

    held = environment_of_cpu(isolation="process")

    assert (held.facts["cpu_quota"], held.facts["niceness"]) == ("1.50", "10")
    assert held.id != free.id


def test_packages_of_kernels_are_facts_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerprof.sweeping.base.facts._KERNEL_PACKAGES", ("numpy", "not-a-distribution"))

    facts = environment_of_cpu(isolation="process").facts

    assert facts["numpy"]
    assert "not-a-distribution" not in facts


def test_the_host_and_the_time_are_no_facts() -> None:
    values = environment_of_cpu(isolation="process").facts.values()

    assert not any(os.uname().nodename == value for value in values)


def test_a_processor_is_probed_at_once() -> None:
    (found,) = probe("cpu").devices

    assert found.device == "cpu"
    assert found.environment == environment_of("cpu", isolation="process")


def test_the_program_writes_what_there_is_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("layerprof.sweeping.environments._count_of", lambda kind: 0)

    main(["cuda"])

    assert capsys.readouterr().out.startswith('{"devices": [], "reason": "torch')


def test_a_device_that_is_not_here_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerprof.sweeping.environments._count_of", lambda kind: 1)

    with pytest.raises(
        lp.UnavailableError, match=r"device 'cuda:3' was asked for and is not here: torch .* finds 1 cuda"
    ):
        environment_of("cuda:3", isolation="process")


def executable(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_devices_are_read_from_the_last_line_of_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (
        '{"devices": [{"device": "cuda:0", "device_type": "NVIDIA H200", "facts": {"device_type": "NVIDIA H200"}}], '
        '"reason": ""}'
    )
    monkeypatch.setattr(sys, "executable", executable(tmp_path / "python", f"echo noise; echo '{answer}'"))

    (found,) = probe("cuda").devices

    assert (found.device, found.device_type) == ("cuda:0", "NVIDIA H200")
    assert found.environment.id == environment_id({"device_type": "NVIDIA H200"})


def test_a_probe_that_fails_says_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", executable(tmp_path / "python", "echo no driver >&2; exit 3"))

    with pytest.raises(lp.UnavailableError, match="ended with exit status 3: no driver"):
        probe("cuda")


def test_a_probe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", executable(tmp_path / "python", "exec sleep 60"))

    with pytest.raises(lp.UnavailableError, match="took longer than 0 s; see whether nvidia-smi answers"):
        probe("cuda", timeout_s=0.2)


@pytest.mark.slow
def test_the_probe_answers_in_a_process_of_its_own() -> None:
    found = probe("cuda")

    assert bool(found.devices) != bool(found.reason)


def test_a_difference_names_what_changed() -> None:
    before, now = {"torch": "2.12.0", "cpu": "x", "LD_PRELOAD": "a"}, {"torch": "2.13.0", "cpu": "x", "MKL_CBWR": "b"}

    assert difference(before, now) == "torch 2.12.0, now 2.13.0; LD_PRELOAD a, now none; MKL_CBWR none, now b"
    assert difference(now, now) == ""
