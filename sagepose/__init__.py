__version__ = "0.0.1"

def __getattr__(name):
    "`sagepose.load`, without PyTorch until it is asked for"
    if name!='load': raise AttributeError(f"module 'sagepose' has no attribute {name!r}")
    from .predict import load
    return load
