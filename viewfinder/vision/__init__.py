"""Vision models that look at pictures: through Ollama, or any OpenAI-compatible server.

`open_vision_model(settings)` of opening.py gives the model that the settings name. The two clients
are imported by ollama_chat.py and openai_chat.py only, and only when a model is used.
"""
