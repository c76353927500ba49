"""vram_engine: YAML text in, certain knowledge about vLLM's GPU memory out. Pure; see engine/README.md for the map."""
