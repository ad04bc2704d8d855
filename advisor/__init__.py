"""Whether to prompt, retrieve or fine-tune: advice, cost, size and backtest, without torch."""
