"""How the shipped models were made. The engine never imports this."""
