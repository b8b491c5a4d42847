#!/usr/bin/env python3
"""What a kubelet and its runtime make of the container that the injector adds to a pod, for podman.

kubelet.py OBJECTS VOLUMES: reads the patch of `doorward inject --dry-run` for a pod without init containers and volumes, lays out the volumes
below VOLUMES as a kubelet does, and prints the arguments of `podman run`, each on a line. OBJECTS holds `configMap/NAME` and `secret/NAME`, folders
with a file for each key.
Refuses a field that it does not know, because what is left out here would not have been tried.
"""

import json
import sys
from pathlib import Path

# Of no meaning to a runtime: what is made of these is a Service's, a kubelet's or a cgroup's.
OF_OTHERS = {"name", "ports", "restartPolicy", "resources", "terminationMessagePolicy"}
OF_OTHERS |= {"startupProbe", "livenessProbe", "readinessProbe"}


def take(fields, name, wanted):
    found = fields.pop(name, None)
    assert found == wanted, f"{name} is {found}, not {wanted}"


def security(context):
    take(context, "runAsNonRoot", True)
    take(context, "privileged", False)
    take(context, "readOnlyRootFilesystem", True)
    take(context, "allowPrivilegeEscalation", False)
    # What podman does by itself.
    take(context, "seccompProfile", {"type": "RuntimeDefault"})
    user, group = context.pop("runAsUser"), context.pop("runAsGroup")
    assert user > 0, "root"
    dropped = context.pop("capabilities")
    capabilities = [f"--cap-drop={name}" for name in dropped.pop("drop")]
    assert not dropped and not context, f"unknown: {dropped} {context}"
    return [f"--user={user}:{group}", "--read-only", "--read-only-tmpfs=false", "--security-opt=no-new-privileges", *capabilities]


def lay_out(volume, objects, folder):
    """Files are links into a folder that is replaced as a whole; an emptyDir is anybody's."""
    folder.mkdir(parents=True)
    if "emptyDir" in volume:
        folder.chmod(0o777)
        return
    kind = "secret" if "secret" in volume else "configMap"
    source = volume[kind]
    mode = source["defaultMode"]
    data = folder / "..2026_11_22"
    data.mkdir()
    (folder / "..data").symlink_to(data.name)
    for key in (objects / kind / source.get("secretName", source.get("name"))).iterdir():
        (data / key.name).write_bytes(key.read_bytes())
        (data / key.name).chmod(mode)
        (folder / key.name).symlink_to(f"..data/{key.name}")


def mounts(container, volumes, objects, folder):
    for mount in container.pop("volumeMounts"):
        name, path, read_only = mount.pop("name"), mount.pop("mountPath"), mount.pop("readOnly", False)
        assert not mount, f"unknown: {mount}"
        lay_out(volumes[name], objects, folder / name)
        yield f"--volume={folder / name}:{path}{':ro' if read_only else ''}"


def main():
    patch = {step["path"]: step["value"] for step in json.load(sys.stdin) if step["op"] == "add"}
    (container,) = patch["/spec/initContainers"]
    volumes = {volume["name"]: volume for volume in patch["/spec/volumes"]}
    objects, folder = Path(sys.argv[1]), Path(sys.argv[2])
    arguments = security(container.pop("securityContext"))
    arguments += [f"--env={one['name']}={one['value']}" for one in container.pop("env")]
    arguments += mounts(container, volumes, objects, folder)
    arguments += [container.pop("image"), *container.pop("args")]
    assert container.keys() <= OF_OTHERS, f"unknown: {container.keys() - OF_OTHERS}"
    print("\n".join(arguments))


if __name__ == "__main__":
    main()
