"""Canaille, an identity provider, provisions to the SCIM server at argv[1] with the token argv[2]: ada and bob and their group; then ada
marries and bob is removed. What it sends is its own; only the queue between its pages and its client is left out."""

import datetime
import sys
import tempfile

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from canaille.scim import client as provisioning

base, token = sys.argv[1:]
folder = tempfile.TemporaryDirectory()
app = create_app(
    {
        "SECRET_KEY": "not-a-secret",
        "SERVER_NAME": "canaille.test",
        "CANAILLE": {"DATABASE": "sql"},
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder.name}/canaille.db"},
        "CANAILLE_SCIM": {"ENABLE_CLIENT": True},
        "CANAILLE_OIDC": {},
    },
    init_backend=True,
)
action = provisioning.execute_scim_user_action
action.send = action.fn

with app.app_context(), app.backend.session():
    save, delete = Backend.instance.save, Backend.instance.delete
    now = datetime.datetime.now(datetime.timezone.utc)
    door = models.Client(client_id="doorward", client_name="doorward", client_uri=base, client_id_issued_at=now)
    save(door)
    save(
        models.Token(
            token_id="t", access_token=token, client=door, subject=None, audience=[door], issue_date=now, lifetime=3600, scope=["openid"]
        )
    )
    ada = models.User(user_name="ada", formatted_name="Ada Lovelace", family_name="Lovelace", emails=["ada@globex.example"])
    bob = models.User(user_name="bob", formatted_name="Bob Builder", family_name="Builder", emails=["bob@globex.example"])
    save(ada)
    save(bob)
    save(models.Group(display_name="Mathematicians", members=[ada, bob]))
    ada.family_name = "King"
    save(ada)
    delete(bob)
print("provisioned")
