"""Which workers a machine has, by its GPUs."""

import pytest

from deployments.worker.places import Place, control_place, training_places

H200 = "NVIDIA H200"


@pytest.mark.parametrize("how", ["each", "together"])
@pytest.mark.parametrize("gpus", [[], [H200]])
def test_a_machine_without_or_with_one_gpu_has_one_worker_with_one_flow_run_at_a_time(gpus, how):
    assert training_places("node", gpus, "", how) == [Place("node", 1, {})]


def test_each_gpu_has_a_worker_that_sees_it_alone():
    assert training_places("node", [H200] * 3, "", "each") == [
        Place("node-gpu-0", 1, {"CUDA_VISIBLE_DEVICES": "0"}),
        Place("node-gpu-1", 1, {"CUDA_VISIBLE_DEVICES": "1"}),
        Place("node-gpu-2", 1, {"CUDA_VISIBLE_DEVICES": "2"}),
    ]


def test_of_gpus_that_were_chosen_for_this_process_each_has_a_worker():
    places = training_places("node", [H200] * 2, "3, GPU-8f1c", "each")
    assert [place.variables["CUDA_VISIBLE_DEVICES"] for place in places] == ["3", "GPU-8f1c"]


def test_gpus_that_train_together_have_one_worker_with_one_flow_run_at_a_time():
    assert training_places("node", [H200] * 4, "", "together") == [Place("node", 1, {"NASFLOW_DEVICES": "4"})]


def test_the_control_side_has_one_worker_for_several_light_flow_runs():
    (place,) = control_place("node")
    assert place.limit > 1
    assert place.variables == {}
