"""The KV cache of thirty-odd models, as vLLM 0.32's own code lays it out under ``vllm serve`` defaults on 80 GB GPUs.

A table, hence its length. The configs hold what decides the KV cache and nothing else.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model.caches import cache_layers
from vram_engine.model.config import Config
from vram_engine.model.spec import CheckpointQuantization, ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout

GIB = 2**30
# What a server batches by default on H100 and B200.
BATCHED_TOKENS = {(9, 0): 8192, (10, 0): 16384}
LATENT = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}
ATTENDING_FOURTH = ["linear_attention"] * 3 + ["full_attention"]

# fmt: off
MODELS: dict[str, dict[str, object]] = {
    "Llama-3.1-8B": {
        "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8,
    },
    "Llama-3.1-405B": {
        "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 126, "hidden_size": 16384,
        "num_attention_heads": 128, "num_key_value_heads": 8,
    },
    "Qwen2.5-1.5B": {
        "architectures": ["Qwen2ForCausalLM"], "num_hidden_layers": 28, "hidden_size": 1536,
        "num_attention_heads": 12, "num_key_value_heads": 2, "sliding_window": 32768, "use_sliding_window": False,
        "max_window_layers": 21,
    },
    "Qwen3-32B": {
        "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 5120,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
    },
    "Qwen3-VL-8B": {
        "architectures": ["Qwen3VLForConditionalGeneration"], "text_config": {"num_hidden_layers": 36,
        "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
    },
    "Mistral-7B-v0.1": {
        "architectures": ["MistralForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096,
    },
    "Phi-3-mini-4k": {
        "architectures": ["Phi3ForCausalLM"], "num_hidden_layers": 32, "hidden_size": 3072, "num_attention_heads": 32,
        "num_key_value_heads": 32, "sliding_window": 2047,
    },
    "Falcon-7B": {
        "architectures": ["FalconForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4544,
        "num_attention_heads": 71, "multi_query": True,
    },
    "OPT-125M": {
        "architectures": ["OPTForCausalLM"], "dtype": "float16", "num_hidden_layers": 12, "hidden_size": 768,
        "num_attention_heads": 12,
    },
    "DBRX": {
        "architectures": ["DbrxForCausalLM"], "n_layers": 40, "d_model": 6144, "n_heads": 48,
        "attn_config": {"kv_n_heads": 8},
    },
    "ChatGLM3-6B": {
        "architectures": ["ChatGLMModel"], "num_layers": 8, "hidden_size": 4096, "num_attention_heads": 32,
        "multi_query_attention": True, "multi_query_group_num": 2,
    },
    "MiniMax-M2.7": {
        "architectures": ["MiniMaxM2ForCausalLM"], "num_hidden_layers": 62, "num_attention_heads": 48,
        "num_key_value_heads": 8, "head_dim": 128,
    },
    "GLM-4.5-Air": {
        "architectures": ["Glm4MoeForCausalLM"], "num_hidden_layers": 46, "num_attention_heads": 96,
        "num_key_value_heads": 8, "head_dim": 128,
    },
    "Command-R7B": {
        "architectures": ["Cohere2ForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096, "sliding_window_pattern": 4,
    },
    "EXAONE-4, cut": {
        "architectures": ["Exaone4ForCausalLM"], "num_hidden_layers": 12, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 128, "sliding_window": 4096,
        "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 3,
    },
    "Gemma-2-2B": {
        "architectures": ["Gemma2ForCausalLM"], "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096,
    },
    "Gemma-3-1B": {
        "architectures": ["Gemma3ForCausalLM"], "num_hidden_layers": 26, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 256, "sliding_window": 512, "sliding_window_pattern": 6,
    },
    "Gemma-3-27B": {
        "architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"num_hidden_layers": 62,
        "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "sliding_window": 1024},
    },
    "Gemma-3n-E4B": {
        "architectures": ["Gemma3nForCausalLM"], "num_hidden_layers": 35, "num_kv_shared_layers": 15,
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256, "sliding_window": 512,
    },
    "Gemma-4-31B": {
        "architectures": ["Gemma4ForConditionalGeneration"], "text_config": {"num_hidden_layers": 60,
        "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 256, "global_head_dim": 512,
        "num_global_key_value_heads": 4, "attention_k_eq_v": True, "sliding_window": 1024},
    },
    "gpt-oss-120b": {
        "architectures": ["GptOssForCausalLM"], "num_hidden_layers": 36, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "sliding_window": 128,
    },
    "Step-3.5, cut": {
        "architectures": ["Step3p5ForCausalLM"], "num_hidden_layers": 12, "num_attention_heads": 32,
        "num_attention_groups": 8, "head_dim": 128, "sliding_window": 512,
        "layer_types": (["full_attention"] + ["sliding_attention"] * 3) * 3,
        "attention_other_setting": {"attention_type": "sliding_attention", "num_attention_heads": 48,
        "num_attention_groups": 4, "head_dim": 128},
    },
    "Llama-4-Scout": {
        "architectures": ["Llama4ForConditionalGeneration"], "text_config": {"num_hidden_layers": 48,
        "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "attention_chunk_size": 8192},
    },
    "MiMo-V2-Flash": {
        "architectures": ["MiMoV2FlashForCausalLM"], "num_hidden_layers": 48, "num_attention_heads": 64,
        "num_key_value_heads": 4, "head_dim": 192, "v_head_dim": 128, "swa_num_key_value_heads": 8,
        "swa_head_dim": 192, "swa_v_head_dim": 128, "sliding_window": 128,
        "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0, *([1, 1, 1, 1, 1, 0] * 7)],
    },
    "DeepSeek-V2-Lite": {
        "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "num_hidden_layers": 27,
        "num_attention_heads": 16, **LATENT,
    },
    "DeepSeek-V3": {
        "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "num_hidden_layers": 61,
        "num_attention_heads": 128, **LATENT,
    },
    "Kimi-K2.6": {
        "architectures": ["KimiK25ForConditionalGeneration"], "text_config": {"model_type": "deepseek_v3",
        "num_hidden_layers": 61, "num_attention_heads": 64, **LATENT},
    },
    "DeepSeek-V3.2": {
        "architectures": ["DeepseekV32ForCausalLM"], "num_hidden_layers": 61, "num_attention_heads": 128, **LATENT,
        "index_topk": 2048, "index_head_dim": 128,
    },
    "GLM-5.2": {
        "architectures": ["GlmMoeDsaForCausalLM"], "num_hidden_layers": 78, "num_attention_heads": 64,
        "kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "index_topk": 2048,
        "index_head_dim": 128, "index_topk_freq": 4, "index_skip_topk_offset": 3,
    },
    "DeepSeek-V4-Flash": {
        "architectures": ["DeepseekV4ForCausalLM"], "num_hidden_layers": 43, "num_attention_heads": 64,
        "head_dim": 512, "qk_rope_head_dim": 64, "index_topk": 512, "index_head_dim": 128, "sliding_window": 128,
        "compress_ratios": [0, 0, *([4, 128] * 20), 4, 0],
    },
    "Kimi-Linear-48B": {
        "architectures": ["KimiLinearForCausalLM"], "num_hidden_layers": 27, "num_attention_heads": 32, **LATENT,
        "linear_attn_config": {"kda_layers": [layer for layer in range(1, 27) if layer % 4], "num_heads": 32,
        "head_dim": 128, "short_conv_kernel_size": 4},
    },
    "Qwen3-Next-80B": {
        "architectures": ["Qwen3NextForCausalLM"], "num_hidden_layers": 48, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 256, "full_attention_interval": 4, "linear_num_key_heads": 16,
        "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    },
    "Qwen3.5-27B": {
        "architectures": ["Qwen3_5ForConditionalGeneration"], "text_config": {"num_hidden_layers": 64,
        "num_attention_heads": 24, "num_key_value_heads": 4, "head_dim": 256, "layer_types": ATTENDING_FOURTH * 16,
        "linear_num_key_heads": 16, "linear_num_value_heads": 48, "linear_key_head_dim": 128,
        "linear_value_head_dim": 128, "mamba_ssm_dtype": "float32"},
    },
    "OLMo-Hybrid-7B": {
        "architectures": ["OlmoHybridForCausalLM"], "num_hidden_layers": 32, "hidden_size": 3840,
        "num_attention_heads": 30, "num_key_value_heads": 30, "layer_types": ATTENDING_FOURTH * 8,
        "linear_key_head_dim": 96, "linear_value_head_dim": 192,
    },
    "Jamba-1.5-Mini": {
        "architectures": ["JambaForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "attn_layer_period": 8, "attn_layer_offset": 4,
    },
    "Nemotron-H-56B": {
        "architectures": ["NemotronHForCausalLM"], "num_hidden_layers": 118, "hidden_size": 8192,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "mamba_num_heads": 256,
        "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 256,
        "hybrid_override_pattern": "M-M-M-M*-" + "M-M-M-M-M*-" * 9 + "M-M-M-M-M-",
    },
    "Nemotron-3-Nano-30B": {
        "architectures": ["NemotronHForCausalLM"], "num_hidden_layers": 52, "hidden_size": 2688,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "mamba_num_heads": 64,
        "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128,
        "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    },
    "Granite-4.0-H-Tiny": {
        "architectures": ["GraniteMoeHybridForCausalLM"], "num_hidden_layers": 40, "hidden_size": 1536,
        "num_attention_heads": 12, "num_key_value_heads": 4, "mamba_n_heads": 48, "mamba_d_head": 64,
        "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_expand": 2,
        "layer_types": (["mamba"] * 5 + ["attention"] + ["mamba"] * 4) * 4,
    },
    "Falcon-H1-7B": {
        "architectures": ["FalconH1ForCausalLM"], "num_hidden_layers": 44, "hidden_size": 3072,
        "num_attention_heads": 12, "num_key_value_heads": 2, "head_dim": 128, "mamba_d_ssm": 3072,
        "mamba_n_heads": 24, "mamba_d_head": 128, "mamba_n_groups": 1, "mamba_d_state": 256,
    },
    "Zamba-2, cut": {
        "architectures": ["Zamba2ForCausalLM"], "num_hidden_layers": 24, "hidden_size": 2048,
        "num_attention_heads": 32, "mamba_d_state": 64, "n_mamba_heads": 64, "mamba_headdim": 64,
        "layers_block_type": [*((["mamba"] * 5 + ["hybrid"]) * 3), *(["mamba"] * 6)],
    },
    "LFM2-1.2B": {
        "architectures": ["Lfm2ForCausalLM"], "num_hidden_layers": 16, "hidden_size": 2048, "num_attention_heads": 32,
        "num_key_value_heads": 8, "conv_L_cache": 3, "full_attn_idxs": [2, 5, 8, 10, 12, 14],
    },
    "Mamba-2.8B": {
        "architectures": ["MambaForCausalLM"], "num_hidden_layers": 64, "hidden_size": 2560, "state_size": 16,
        "conv_kernel": 4, "expand": 2,
    },
    "Mamba-Codestral-7B": {
        "architectures": ["Mamba2ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 4096, "state_size": 128,
        "num_heads": 128, "head_dim": 64, "n_groups": 8, "conv_kernel": 4, "expand": 2,
    },
    "Whisper-large-v3": {
        "architectures": ["WhisperForConditionalGeneration"], "dtype": "float16", "d_model": 1280,
        "decoder_layers": 32, "decoder_attention_heads": 20, "max_source_positions": 1500,
    },
}
# fmt: on

# Formats that checkpoints declare for their own KV cache.
DECLARED = {"Kimi-K2.6": CheckpointQuantization(method="modelopt_fp4", default=None, kv_cache="FP8")}

# Model; TP, PP, KV cache dtype and GPU; max_model_len; block size; bytes per block of each stage; blocks of one request
# in each group; then for 16 GiB per GPU: tokens (- where vLLM refuses) and the longest length that fits.
TABLE = """
Llama-3.1-8B       | 1 1 auto 9 | 131072  | 16  | 2097152                    | 8192                 | -       | 131056
Llama-3.1-8B       | 2 4 auto 9 | 131072  | 16  | 4x262144                   | 8192                 | 1048576 | 131072
Llama-3.1-8B       | 8 1 fp8  9 | 131072  | 16  | 131072                     | 8192                 | 2097152 | 131072
Llama-3.1-405B     | 1 1 auto 9 | 131072  | 16  | 8257536                    | 8192                 | -       | 33264
Llama-3.1-405B     | 2 4 auto 9 | 131072  | 16  | 1015808 2x1048576 1015808  | 8192                 | 262144  | 131072
Llama-3.1-405B     | 8 1 fp8  9 | 131072  | 16  | 516096                     | 8192                 | 532608  | 131072
Qwen2.5-1.5B       | 1 1 auto 9 | 32768   | 16  | 458752                     | 2048                 | 599184  | 32768
Qwen2.5-1.5B       | 2 4 auto 9 | 32768   | 16  | 4x57344                    | 2048                 | 4793488 | 32768
Qwen2.5-1.5B       | 1 1 fp8  9 | 32768   | 16  | 229376                     | 2048                 | 1198368 | 32768
Qwen3-32B          | 1 1 auto 9 | 40960   | 16  | 4194304                    | 2560                 | 65536   | 40960
Qwen3-32B          | 2 4 auto 9 | 40960   | 16  | 4x524288                   | 2560                 | 524288  | 40960
Qwen3-32B          | 8 1 fp8  9 | 40960   | 16  | 262144                     | 2560                 | 1048576 | 40960
Qwen3-VL-8B        | 1 1 auto 9 | 262144  | 16  | 2359296                    | 16384                | -       | 116480
Qwen3-VL-8B        | 2 4 auto 9 | 262144  | 16  | 4x294912                   | 16384                | 932064  | 262144
Qwen3-VL-8B        | 8 1 fp8  9 | 262144  | 16  | 147456                     | 16384                | 1864128 | 262144
Mistral-7B-v0.1    | 1 1 auto 9 | 32768   | 16  | 2097152                    | 1281                 | 209551  | 32768
Mistral-7B-v0.1    | 2 4 auto 9 | 32768   | 16  | 4x262144                   | 2049                 | 1048064 | 32768
Mistral-7B-v0.1    | 8 1 fp8  9 | 32768   | 16  | 131072                     | 1281                 | 3352823 | 32768
Phi-3-mini-4k      | 1 1 auto 9 | 4096    | 16  | 6291456                    | 257                  | 43510   | 4096
Phi-3-mini-4k      | 2 4 auto 9 | 4096    | 16  | 4x786432                   | 257                  | 348160  | 4096
Phi-3-mini-4k      | 8 1 fp8  9 | 4096    | 16  | 393216                     | 257                  | 696320  | 4096
Falcon-7B          | 1 1 auto 9 | 2048    | 16  | 131072                     | 128                  | 2097152 | 2048
Falcon-7B          | 1 2 auto 9 | 2048    | 16  | 2x65536                    | 128                  | 4194304 | 2048
Falcon-7B          | 1 1 fp8  9 | 2048    | 16  | 131072                     | 128                  | 2097152 | 2048
OPT-125M           | 1 1 auto 9 | 2048    | 16  | 589824                     | 128                  | 466032  | 2048
OPT-125M           | 2 4 auto 9 | 2048    | 16  | 4x73728                    | 128                  | 3728256 | 2048
OPT-125M           | 1 1 fp8  9 | 2048    | 16  | 294912                     | 128                  | 932064  | 2048
DBRX               | 1 1 auto 9 | 32768   | 16  | 2621440                    | 2048                 | 104848  | 32768
DBRX               | 2 4 auto 9 | 32768   | 16  | 4x327680                   | 2048                 | 838848  | 32768
DBRX               | 8 1 fp8  9 | 32768   | 16  | 163840                     | 2048                 | 1677712 | 32768
ChatGLM3-6B        | 1 1 auto 9 | 131072  | 16  | 131072                     | 8192                 | 2097152 | 131072
ChatGLM3-6B        | 2 1 auto 9 | 131072  | 16  | 65536                      | 8192                 | 4194304 | 131072
MiniMax-M2.7       | 1 1 auto 9 | 204800  | 16  | 4063232                    | 12800                | -       | 67632
MiniMax-M2.7       | 2 4 auto 9 | 204800  | 16  | 491520 2x524288 491520     | 12800                | 524288  | 204800
MiniMax-M2.7       | 8 1 fp8  9 | 204800  | 16  | 253952                     | 12800                | 1082400 | 204800
GLM-4.5-Air        | 1 1 auto 9 | 131072  | 16  | 3014656                    | 8192                 | -       | 91152
GLM-4.5-Air        | 2 4 auto 9 | 131072  | 16  | 360448 2x393216 360448     | 8192                 | 699040  | 131072
GLM-4.5-Air        | 8 1 fp8  9 | 131072  | 16  | 188416                     | 8192                 | 1458880 | 131072
Command-R7B        | 1 1 auto 9 | 132096  | 16  | 524288                     | 3x1281 8256          | 357758  | 132096
Command-R7B        | 2 4 auto 9 | 132096  | 16  | 4x65536                    | 3x2817 8256          | 2072674 | 132096
Command-R7B        | 8 1 fp8  9 | 132096  | 16  | 32768                      | 3x1281 8256          | 5724138 | 132096
EXAONE-4, cut      | 1 1 auto 9 | 131072  | 16  | 196608                     | 3x1281 8192          | 951657  | 131072
EXAONE-4, cut      | 2 1 auto 9 | 131072  | 16  | 98304                      | 3x1281 8192          | 1903315 | 131072
Gemma-2-2B         | 1 1 auto 9 | 8192    | 16  | 851968                     | 513 512              | 161154  | 8192
Gemma-2-2B         | 2 4 auto 9 | 8192    | 16  | 98304 2x131072 98304       | 513 512              | 1047552 | 8192
Gemma-2-2B         | 8 1 fp8  9 | 8192    | 16  | 106496                     | 513 512              | 1289292 | 8192
Gemma-3-1B         | 1 1 auto 9 | 32768   | 16  | 65536                      | 6x1057 2048          | 1023830 | 32768
Gemma-3-1B         | 2 4 auto 9 | 32768   | 16  | 4x16384                    | 6x2049 2048          | 2395742 | 32768
Gemma-3-1B         | 1 1 fp8  9 | 32768   | 16  | 32768                      | 6x1057 2048          | 2047660 | 32768
Gemma-3-27B        | 1 1 auto 9 | 131072  | 16  | 1310720                    | 6x1089 8192          | -       | 105152
Gemma-3-27B        | 2 4 auto 9 | 131072  | 16  | 4x196608                   | 6x2625 8192          | 478372  | 131072
Gemma-3-27B        | 8 1 fp8  9 | 131072  | 16  | 81920                      | 6x1089 8192          | 1866614 | 131072
Gemma-3n-E4B       | 1 1 auto 9 | 32768   | 16  | 131072                     | 4x1057 2048          | 684347  | 32768
Gemma-3n-E4B       | 8 1 fp8  9 | 32768   | 16  | 32768                      | 4x1057 2048          | 2737391 | 32768
Gemma-4-31B        | 1 1 auto 9 | 262144  | 16  | 2621440                    | 5x1089 8192          | -       | 35424
Gemma-4-31B        | 2 4 auto 9 | 262144  | 16  | 4x393216                   | 5x2625 8192          | 537274  | 262144
Gemma-4-31B        | 8 1 fp8  9 | 262144  | 16  | 163840                     | 5x1089 16384         | 1259225 | 262144
gpt-oss-120b       | 1 1 auto 9 | 131072  | 16  | 589824                     | 1033 8192            | 413846  | 131072
gpt-oss-120b       | 2 4 auto 9 | 131072  | 16  | 4x81920                    | 2569 8192            | 2554387 | 131072
gpt-oss-120b       | 8 1 fp8  9 | 131072  | 16  | 36864                      | 1033 8192            | 6621558 | 131072
Step-3.5, cut      | 1 1 auto 9 | 4096    | 16  | 196608                     | 256 3x129            | 556629  | 4096
Step-3.5, cut      | 2 1 auto 9 | 4096    | 16  | 98304                      | 256 3x129            | 1113258 | 4096
Llama-4-Scout      | 1 1 auto 9 | 10485760| 16  | 786432                     | 3x1536 655360        | -       | 275776
Llama-4-Scout      | 2 4 auto 9 | 10485760| 16  | 4x98304                    | 3x3072 655360        | -       | 2648720
Llama-4-Scout      | 8 1 fp8  9 | 10485760| 16  | 49152                      | 3x1536 655360        | -       | 5518656
MiMo-V2-Flash      | 1 1 auto 9 | 262144  | 16  | 737280                     | 8192 5x1033          | 457304  | 262144
MiMo-V2-Flash      | 2 4 auto 9 | 262144  | 16  | 122880 3x81920             | 8192 5x2569          | 1742185 | 262144
MiMo-V2-Flash      | 8 1 fp8  9 | 262144  | 16  | 46080                      | 16384 5x1033         | 4535447 | 262144
DeepSeek-V2-Lite   | 1 1 auto 9 | 163840  | 16  | 497664                     | 10240                | 552336  | 163840
DeepSeek-V2-Lite   | 2 1 auto 9 | 163840  | 16  | 497664                     | 10240                | 552336  | 163840
DeepSeek-V2-Lite   | 1 3 auto 9 | 163840  | 16  | 3x165888                   | 10240                | 1657008 | 163840
DeepSeek-V3        | 1 1 auto 9 | 163840  | 16  | 1124352                    | 10240                | 244464  | 163840
DeepSeek-V3        | 2 4 auto 9 | 163840  | 16  | 2x276480 294912 276480     | 10240                | 932064  | 163840
DeepSeek-V3        | 8 1 fp8  9 | 163840  | 64  | 2248704                    | 2560                 | 488896  | 163840
Kimi-K2.6          | 1 1 auto 9 | 262144  | 64  | 2248704                    | 4096                 | 488896  | 262144
Kimi-K2.6          | 2 4 auto 9 | 262144  | 64  | 2x552960 589824 552960     | 4096                 | 1864128 | 262144
Kimi-K2.6          | 8 1 fp8  9 | 262144  | 64  | 2248704                    | 4096                 | 488896  | 262144
Kimi-K2.6          | 1 1 auto 10| 262144  | 32  | 1124352                    | 8192                 | 488928  | 262144
DeepSeek-V3.2      | 1 1 auto 9 | 163840  | 64  | 5012736                    | 2560                 | 219328  | 163840
DeepSeek-V3.2      | 2 4 auto 9 | 163840  | 64  | 2x1232640 1314816 1232640  | 2560                 | 836224  | 163840
DeepSeek-V3.2      | 8 1 fp8  9 | 163840  | 64  | 3076352                    | 2560                 | 357376  | 163840
GLM-5.2            | 1 1 auto 9 | 1048576 | 64  | 5928192                    | 16384                | -       | 185344
GLM-5.2            | 2 4 auto 9 | 1048576 | 64  | 1459968 2x1516800 1434624  | 16384                | -       | 724800
GLM-5.2            | 8 1 fp8  9 | 1048576 | 64  | 3452160                    | 16384                | -       | 318400
DeepSeek-V4-Flash  | 1 1 auto 9 | 1048576 | 256 | 1002240                    | 2x259 4096 4099 2065 | 1667623 | 1048576
DeepSeek-V4-Flash  | 2 4 auto 9 | 1048576 | 256 | 237312 240768 285120 239040| 2x643 4096 10243 5137| 3043102 | 1048576
DeepSeek-V4-Flash  | 8 1 fp8  9 | 1048576 | 256 | 1002240                    | 2x259 4096 4099 2065 | 1667623 | 1048576
Kimi-Linear-48B    | 1 1 auto 9 | 1048576 | 1920| 15482880                   | 3x2 547              | 2102840 | 1048576
Kimi-Linear-48B    | 2 4 auto 9 | 1048576 | 1024| 4x2359296                  | 3x2 1024             | 7412312 | 1048576
Kimi-Linear-48B    | 8 1 fp8  9 | 1048576 | 512 | 2064384                    | 3x2 2048             | 4248417 | 1048576
Qwen3-Next-80B     | 1 1 auto 9 | 262144  | 544 | 13369344                   | 3x2 482              | 690276  | 262144
Qwen3-Next-80B     | 2 1 auto 9 | 262144  | 544 | 6684672                    | 3x2 482              | 1380553 | 262144
Qwen3-Next-80B     | 1 2 auto 9 | 262144  | 544 | 2x6684672                  | 3x2 482              | 1380553 | 262144
Qwen3.5-27B        | 1 1 auto 9 | 262144  | 784 | 51380224                   | 3x2 335              | -       | 256368
Qwen3.5-27B        | 2 4 auto 9 | 262144  | 784 | 4x6422528                  | 3x2 335              | 2055639 | 262144
Qwen3.5-27B        | 8 1 fp8  9 | 262144  | 784 | 6422528                    | 3x2 335              | 2055639 | 262144
OLMo-Hybrid-7B     | 1 1 auto 9 | 65536   | 80  | 9830400                    | 3x2 820              | 138609  | 65536
OLMo-Hybrid-7B     | 2 1 auto 9 | 65536   | 80  | 4915200                    | 3x2 820              | 277298  | 65536
Jamba-1.5-Mini     | 1 1 auto 9 | 262144  | 80  | 1310720                    | 7x2 3277             | 1044035 | 262144
Jamba-1.5-Mini     | 2 1 auto 9 | 262144  | 80  | 655360                     | 7x2 3277             | 2088071 | 262144
Jamba-1.5-Mini     | 1 2 auto 9 | 262144  | 80  | 2x655360                   | 7x2 3277             | 2088071 | 262144
Nemotron-H-56B     | 1 1 auto 9 | 8192    | 4128| 169082880                  | 6x3 2                | 41369   | 8192
Nemotron-H-56B     | 2 4 auto 9 | 8192    | 4128| 4x25362432                 | 6x3 2                | 277299  | 8192
Nemotron-H-56B     | 8 1 fp8  9 | 8192    | 8256| 21135360                   | 6x3 1                | 350100  | 8192
Nemotron-3-Nano-30B| 1 1 auto 9 | 262144  | 2096| 12877824                   | 4x3 126              | 2534058 | 262144
Nemotron-3-Nano-30B| 2 4 auto 9 | 262144  | 2096| 4x2146304                  | 4x3 126              | 15204352| 262144
Nemotron-3-Nano-30B| 8 1 fp8  9 | 262144  | 1056| 1622016                    | 4x3 249              | 10637421| 262144
Granite-4.0-H-Tiny | 1 1 auto 9 | 131072  | 400 | 3276800                    | 9x3 328              | 1935434 | 131072
Granite-4.0-H-Tiny | 2 4 auto 9 | 131072  | 400 | 4x409600                   | 9x3 328              | 15486064| 131072
Granite-4.0-H-Tiny | 1 1 fp8  9 | 131072  | 800 | 3276800                    | 9x3 164              | 3597274 | 131072
Falcon-H1-7B       | 1 1 auto 9 | 262144  | 1568| 70647808                   | 168 3                | 372520  | 262144
Falcon-H1-7B       | 2 4 auto 9 | 262144  | 1568| 4x8830976                  | 168 3                | 2981696 | 262144
Falcon-H1-7B       | 1 1 fp8  9 | 262144  | 3120| 70287360                   | 85 3                 | 726853  | 262144
Zamba-2, cut       | 1 1 auto 9 | 4096    | 48  | 2359296                    | 86 8x3               | 271117  | 4096
Zamba-2, cut       | 2 1 auto 9 | 4096    | 48  | 1179648                    | 86 8x3               | 542273  | 4096
LFM2-1.2B          | 1 1 auto 9 | 128000  | 16  | 196608                     | 2x2 8000             | 1397397 | 128000
LFM2-1.2B          | 2 4 auto 9 | 128000  | 16  | 4x32768                    | 2x2 8000             | 8384415 | 128000
LFM2-1.2B          | 8 1 fp8  9 | 128000  | 16  | 12288                      | 2x2 8000             | 22358436| 128000
Mamba-2.8B         | 1 1 auto 9 | 2048    | 16  | 12451840                   | 1                    | 2824192 | 2048
Mamba-2.8B         | 2 1 auto 9 | 2048    | 16  | 6225920                    | 1                    | 5650432 | 2048
Mamba-Codestral-7B | 1 1 auto 9 | 2048    | 16  | 138149888                  | 1                    | 253952  | 2048
Mamba-Codestral-7B | 2 1 auto 9 | 2048    | 16  | 69074944                   | 1                    | 507904  | 2048
Whisper-large-v3   | 1 1 auto 9 | 448     | 16  | 2621440                    | 28 512               | 5436    | 448
Whisper-large-v3   | 1 1 fp8  9 | 448     | 16  | 1310720                    | 28 512               | 10873   | 448
"""


class Row(NamedTuple):
    """One deployment of the table."""

    model: str
    tp: int
    pp: int
    kv_cache_dtype: str
    capability: tuple[int, int]
    max_model_len: int
    block_size: int
    bytes_per_block: tuple[int, ...]
    blocks: tuple[int, ...]
    tokens: int | None
    longest: int


def numbers(text: str) -> tuple[int, ...]:
    """Numbers of a cell, where ``6x3`` is six threes."""
    listed: list[int] = []
    for word in text.split():
        times, _, number = word.rpartition("x")
        listed += [int(number)] * int(times or 1)
    return tuple(listed)


def row_of(line: str) -> Row:
    """A line of the table."""
    model, run, length, block_size, page, blocks, tokens, longest = (cell.strip() for cell in line.split("|"))
    tp, pp, kv_cache_dtype, capability = run.split()
    return Row(
        model,
        int(tp),
        int(pp),
        kv_cache_dtype,
        (int(capability), 0),
        int(length),
        int(block_size),
        numbers(page),
        numbers(blocks),
        None if tokens == "-" else int(tokens),
        int(longest),
    )


ROWS = tuple(row_of(line) for line in TABLE.strip().splitlines())


def spec_of(model: str) -> ModelSpec:
    """The model as far as its KV cache goes."""
    config = Config(MODELS[model])
    caches = cache_layers(config)
    assert not isinstance(caches, Unavailable), caches.reason
    return ModelSpec(
        architecture=config.texts("architectures")[0],
        model_type="",
        dtype=config.text("dtype", default="bfloat16"),
        hidden_size=0,
        num_layers=1 + max(cache.layers[-1] for cache in caches),
        vocab_size=0,
        num_attention_heads=0,
        num_key_value_heads=0,
        head_dim=0,
        intermediate_size=0,
        length=None,
        rope=(),
        sliding_window=None,
        tie_word_embeddings=False,
        runner="generate",
        modules=(),
        caches=caches,
        quantization=DECLARED.get(model),
    )


@cache
def layout_of(row: Row) -> KvLayout:
    """The layout of a row's deployment."""
    args = EngineArgs(
        vllm_version=Version(0, 32, 0),
        kv_cache_dtype=row.kv_cache_dtype,
        tensor_parallel_size=row.tp,
        pipeline_parallel_size=row.pp,
    )
    layout = kv_layout(
        spec_of(row.model),
        args,
        row.capability,
        max_num_batched_tokens=BATCHED_TOKENS[row.capability],
        max_model_len=row.max_model_len,
    )
    assert not isinstance(layout, Unavailable), layout.reason
    return layout


def row_name(row: Row) -> str:
    """What pytest calls a row."""
    return f"{row.model} tp{row.tp} pp{row.pp} {row.kv_cache_dtype} sm{row.capability[0]}0"


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_a_deployment_is_laid_out_as_vllm_lays_it_out(row: Row) -> None:
    """Tokens of a block, bytes of a pool block on every stage, and blocks of the longest request in every group."""
    layout = layout_of(row)
    laid_out = (layout.block_size, layout.bytes_per_block, layout.blocks_per_group(row.max_model_len))
    assert laid_out == (row.block_size, row.bytes_per_block, row.blocks)


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_the_same_memory_holds_as_many_tokens(row: Row) -> None:
    """Whether 16 GiB per GPU start, the size vLLM prints, and the longest length its error message would name."""
    layout, available = layout_of(row), (16 * GIB,) * row.pp
    assert layout.fits(available) == (row.tokens is not None)
    assert row.tokens is None or layout.capacity_tokens(available) == row.tokens
    assert layout.max_model_len_that_fits(available) == row.longest


def test_every_kind_of_cache_is_in_the_table() -> None:
    """The table leaves no kind of layer out that a model here can have."""
    kinds = {type(cache).__name__ for model in MODELS for cache in spec_of(model).caches}
    assert kinds >= {
        "FullAttention",
        "SlidingWindow",
        "ChunkedLocal",
        "CrossAttention",
        "MLA",
        "Indexer",
        "CompressedMLA",
        "WindowedMLA",
        "CompressorState",
        "Mamba1",
        "Mamba2",
        "GatedDeltaNet",
        "KimiDeltaAttention",
        "ShortConv",
    }
