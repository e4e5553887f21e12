"""Reads a PROV-JSON document with the package prov and prints the graph in it as JSON."""

import json
import sys

from prov import model

document = model.ProvDocument.deserialize(sys.argv[1], format="json")


def name(identifier):
    assert identifier.namespace.uri == "urn:reg:", identifier
    return identifier.localpart


def ends(record, first, second):
    attributes = dict(record.formal_attributes)
    return name(attributes[first]), name(attributes[second])


nodes, edges, activities, generated = set(), [], {}, []
for record in document.get_records((model.ProvEntity, model.ProvActivity)):
    nodes.add(name(record.identifier))
for record in document.get_records(model.ProvActivity):
    activities[name(record.identifier)] = {
        "start": record.get_startTime().isoformat(),
        "end": record.get_endTime().isoformat(),
        "used": [],
        "agents": [],
    }
for record in document.get_records(model.ProvDerivation):
    derived, source = ends(record, model.PROV_ATTR_GENERATED_ENTITY, model.PROV_ATTR_USED_ENTITY)
    [role] = [value for key, value in record.attributes if key.localpart == "role"]
    edges.append({"from": derived, "to": source, "role": role})
for record in document.get_records(model.ProvMembership):
    collection, image = ends(record, model.PROV_ATTR_COLLECTION, model.PROV_ATTR_ENTITY)
    edges.append({"from": collection, "to": image, "role": "image"})
for record in document.get_records(model.ProvGeneration):
    made, by = ends(record, model.PROV_ATTR_ENTITY, model.PROV_ATTR_ACTIVITY)
    # The parts of a result are generated, too; the trace has them below the result.
    if record.identifier is None or str(record.identifier).startswith("_:e"):
        generated.append((made, by))
    else:
        assert made in nodes
results = {edge["from"] for edge in edges}
for made, by in generated:
    if not any(edge["to"] == made and edge["role"] in ("checkpoint", "log", "scores") for edge in edges):
        edges.append({"from": by, "to": made, "role": "made"})
for record in document.get_records(model.ProvUsage):
    activity, entity = ends(record, model.PROV_ATTR_ACTIVITY, model.PROV_ATTR_ENTITY)
    activities[activity]["used"].append(entity)
for record in document.get_records(model.ProvAssociation):
    activity, agent = ends(record, model.PROV_ATTR_ACTIVITY, model.PROV_ATTR_AGENT)
    activities[activity]["agents"].append(agent)
    # The agent of a program has the name of its entity.
    edges.append({"from": activity, "to": agent.removeprefix("agent-"), "role": "software"})
invalidated = []
for record in document.get_records(model.ProvInvalidation):
    attributes = dict(record.formal_attributes)
    assert attributes[model.PROV_ATTR_TIME] is not None
    invalidated.append(name(attributes[model.PROV_ATTR_ENTITY]))
print(
    json.dumps(
        {
            "nodes": sorted(nodes),
            "edges": edges,
            "activities": list(activities.values()),
            "invalidated": sorted(invalidated),
        }
    )
)
