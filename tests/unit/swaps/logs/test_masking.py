import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.logs.masking import mask_secrets

SECRET = "Zq81CanaryValue42"


@pytest.mark.parametrize(
    "text",
    [
        f"token is hf_{SECRET}",
        f"nvapi-{SECRET} and more",
        f"OPENAI key sk-{SECRET}",
        f"key spk_{SECRET}, hook whsec_{SECRET}, lock slk_{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer {SECRET}",
        f"Authorization: Basic {SECRET}==",
        f"non-default args: {{'model': 'org/m', 'api_key': '{SECRET}', 'port': 8000}}",
        f"non-default args: {{'api_key': ['{SECRET}', 'second-{SECRET}']}}",
        f"'api_key': '{SECRET}cut off…",
        f"vllm serve org/m --api-key {SECRET} --port 8000",
        f"vllm serve org/m --api-key={SECRET}",
        f"vllm serve org/m --hf-token '{SECRET}'",
        f"docker run -e HF_TOKEN={SECRET} -e VLLM_API_KEY={SECRET} -e MY_OWN_TOKEN={SECRET}",
        f'-e NGC_API_KEY="{SECRET}"',
        f"HUGGING_FACE_HUB_TOKEN={SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f'{{"api_key": "{SECRET}", "password": "{SECRET}"}}',
        f'Executing command: vllm serve --config \\"api_key\\": \\"{SECRET}\\"',
        f"https://user:{SECRET}@proxy.local:3128/path",
        f"http://{SECRET}@git.local/x",
        f"postgres://app:{SECRET}@db/spark",
        f"for url: https://cdn.hf.co/x?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
        f"https://cdn.hf.co/x?Policy={SECRET}&Signature={SECRET}&Key-Pair-Id=1",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}",
    ],
)
def test_it_hides_the_secret(text: str) -> None:
    masked = mask_secrets(text)
    assert SECRET not in masked
    assert "***" in masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "'tokenizer': 'org/m', 'max_num_batched_tokens': 8192, 'max_logprobs': 20, 'hf_overrides': {}",
        "--max-num-batched-tokens 4096 --tokenizer-mode auto --enable-prefix-caching",
        "Warning: Please set a HF_TOKEN to enable higher rate limits",
        "GPU KV cache size: 623,104 tokens",
        "Maximum concurrency for 131,072 tokens per request: 4.75x",
        "hf_config_path=None, hf_token=None, api_key=None",
        "bos_token_id=1 eos_token='</s>'",
        "disk-full task-forward mask-rcnn",
        "http://0.0.0.0:8000/health user@host git@github.com:org/m",
        "Loading safetensors checkpoint shards:  50% Completed | 7/14 [00:21<00:21,  3.05s/it]",
        "/root/.cache/huggingface/hub/models--org--m/snapshots/0123abcd/config.json",
    ],
)
def test_it_leaves_other_words_alone(text: str) -> None:
    assert mask_secrets(text) == text


def test_it_keeps_the_words_around_a_secret() -> None:
    assert mask_secrets("--api-key abc --port 8000") == "--api-key *** --port 8000"
    assert mask_secrets("'api_key': 'x', 'port': 1") == "'api_key': ***, 'port': 1"
    assert mask_secrets("https://u:p@host/x") == "https://***@host/x"


@given(st.text())
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask_secrets(mask_secrets(text)) == mask_secrets(text)
