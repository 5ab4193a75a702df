"""Versions that notebook services ship, as far as they say so.

- Colab: the list in github.com/googlecolab/backend-info of 2026-08-19.
- Kaggle: github.com/Kaggle/docker-python of 2026-08-12, which adds to Colab's image of 2026-05-14.
- Databricks: the requirements of its image for standard compute, ``client.5``, at docs.databricks.com.
"""

from dataclasses import dataclass

__all__ = ["PLACES", "Place"]


@dataclass(frozen=True)
class Place:
    """A service, with its Python and those of its packages that ours meet."""

    python: str
    packages: str


PLACES = {
    "Colab": Place(
        "3.13",
        "aiohttp==3.14.3 anywidget==0.9.21 cachetools==6.2.6 ipykernel==6.17.1 ipython==7.34.0 ipywidgets==7.7.1"
        " jupyter-client==7.4.9 langchain==1.3.15 langchain-core==1.5.5 notebook==6.5.7 numpy==2.1.3 openai==2.54.0"
        " orjson==3.12.0 packaging==26.3 pandas==2.2.3 pyarrow==18.1.0 pydantic==2.13.4 pyzmq==26.2.1 regex==2025.11.3"
        " requests==2.32.4 SQLAlchemy==2.0.52 tornado==6.5.7 tqdm==4.67.3 traitlets==5.7.1 widgetsnbextension==3.6.10",
    ),
    "Kaggle": Place(
        "3.12",
        "aiohttp==3.13.5 anywidget==0.9.21 cachetools==6.2.6 ipykernel==6.17.1 ipython==7.34.0 ipywidgets==8.1.5"
        " jupyter-client==7.4.9 langchain==1.2.15 langchain-core==1.3.1 numpy==2.0.2 openai==2.32.0 orjson==3.11.8"
        " packaging==26.1 pandas==2.2.2 pyarrow==18.1.0 pydantic==2.12.3 pyzmq==26.2.1 regex==2025.11.3"
        " requests==2.32.4 SQLAlchemy==2.0.49 tornado==6.5.1 tqdm==4.67.3 traitlets==5.7.1",
    ),
    "Databricks": Place(
        "3.12",
        "cachetools==5.5.1 debugpy==1.8.11 ipykernel==6.29.5 ipython==8.30.0 ipywidgets==7.8.1 numpy==2.1.3"
        " packaging==24.2 pandas==2.2.3 pyarrow==21.0.0 pydantic==2.10.6 requests==2.32.3 traitlets==5.14.3",
    ),
    "newest": Place("3.13", "ipykernel ipywidgets pandas"),
}
