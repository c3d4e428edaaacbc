"""A photo back end in Starlette that mounts reir and answers with its own photos.

Every user finds only photos of their own: the back end asks reir about exactly these (``external_ids``), and puts what
it knows of each (album, favourite) beside the boxes that reir found. reir itself is mounted under ``/objects`` and asks
for a key, which only the back end has: it would show every picture to whoever has it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypedDict

import httpx
from fastapi import FastAPI
from library import Library, Photo
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

import reir.server


class State(TypedDict):
    """What every request finds in ``request.state``."""

    library: Library
    objects: httpx.AsyncClient


def create_backend(library: Library, objects: FastAPI, key: str) -> Starlette:
    """The back end.

    Args:
        library: whose photos these are.
        objects: the service, as ``reir.server.create_app`` gives it.
        key: with which it may be asked.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        # An application does not run the lifespan of what it mounts, so that of reir is entered here. It is asked
        # within this process; with reir on another machine, leave out the transport and give its URL.
        transport = httpx.ASGITransport(app=objects)
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            reir.server.lifespan(objects),
            httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client,
        ):
            yield {"library": library, "objects": client}

    routes = [
        Route("/albums", albums),
        Route("/search", search),
        Route("/photos/{asset_id}/favourite", favourite, methods=["PUT", "DELETE"]),
        Route("/thumbnails/{image_id:int}", thumbnail),
        Mount("/objects", objects),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def albums(request: Request) -> Response:
    """The user's albums."""
    user = await signed_in(request)
    return JSONResponse(await run_in_threadpool(request.state.library.albums, user))


async def search(request: Request) -> Response:
    """The user's photos that show what ``q`` says, best first; from one album, or the favourites, if asked so."""
    user = await signed_in(request)
    asked = request.query_params
    photos: dict[str, Photo] = await run_in_threadpool(
        request.state.library.photos, user, album=asked.get("album"), favourites=asked.get("favourites") == "1"
    )
    # What the back end knows decides which pictures may answer; reir ranks only those, so that no page comes up short.
    wanted: dict[str, Any] = {"top": 10, "filter": {"external_ids": sorted(photos)}}
    wanted |= {"cursor": asked["cursor"]} if "cursor" in asked else {"expression": asked.get("q", "")}
    answer = await request.state.objects.post("/v1/search", json=wanted)
    if not answer.is_success:
        return Response(answer.content, answer.status_code, media_type="application/json")
    found = answer.json()
    merged = [merge(photos[hits[0]["external_id"]], hits) for hits in by_rank(found["hits"])]
    return JSONResponse({"photos": merged, "next_cursor": found["next_cursor"], "warnings": found["warnings"]})


async def favourite(request: Request) -> Response:
    """Make a photo a favourite (PUT), or not (DELETE). The index has no part in that."""
    user = await signed_in(request)
    asset_id = request.path_params["asset_id"]
    changed = await run_in_threadpool(request.state.library.set_favourite, user, [asset_id], request.method == "PUT")
    if not changed:
        raise HTTPException(404)
    return Response(status_code=204)


async def thumbnail(request: Request) -> Response:
    """A photo of the user's, small, as reir renders it; to all others it is not there."""
    user = await signed_in(request)
    image = f"/v1/images/{request.path_params['image_id']}"
    known = await request.state.objects.get(image)
    photos = await run_in_threadpool(request.state.library.photos, user)
    if not known.is_success or known.json()["external_id"] not in photos:
        raise HTTPException(404)
    rendered = await request.state.objects.get(f"{image}/thumbnail", params={"side": 320})
    return Response(rendered.content, rendered.status_code, media_type=rendered.headers["content-type"])


async def signed_in(request: Request) -> str:
    """The name of the user who asks. Raises HTTPException (401)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = await run_in_threadpool(request.state.library.user_of, token)
    if scheme.lower() != "bearer" or user is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return str(user)


def by_rank(hits: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The hits of each picture; those of one picture share a rank."""
    ranks: dict[int, list[dict[str, Any]]] = {}
    for hit in hits:
        ranks.setdefault(hit["rank"], []).append(hit)
    return list(ranks.values())


def merge(photo: Photo, hits: list[dict[str, Any]]) -> Mapping[str, Any]:
    """One photo of the answer: what the back end knows, and what reir found in it."""
    best = hits[0]
    return {
        "asset_id": photo.asset_id,
        "album": photo.album,
        "favourite": photo.favourite,
        "width": best["width"],
        "height": best["height"],
        "score": best["score"],
        "probability": best["probability"],
        "boxes": [hit["box"] for hit in hits],
        "thumbnail": f"/thumbnails/{best['image_id']}",
    }
