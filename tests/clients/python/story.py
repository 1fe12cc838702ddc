"""Administering with the clients for Python, as openapi-python-client makes them from the documents: finds somebody,
ends their session, makes them staff, and prints what the audit log says of it, newest first.

Run by the suite in tests/clients, which makes the packages `doorcode_admin` and `doorcode_public` beforehand.
"""

import os
from uuid import UUID

from doorcode_admin import AuthenticatedClient
from doorcode_admin.api.audit_log import search_audit
from doorcode_admin.api.libraries import create_library
from doorcode_admin.api.sessions import list_sessions, revoke_session
from doorcode_admin.api.staff import grant_staff
from doorcode_admin.api.users import list_users
from doorcode_admin.models import CreateLibraryRequest, GrantStaffRequest, Role
from doorcode_public import AuthenticatedClient as SignedInClient
from doorcode_public.api.account import get_user

server = os.environ["SERVER"]
email = os.environ["EMAIL"]
admin = AuthenticatedClient(
    base_url=f"{server}/admin/v1", token=os.environ["SERVICE_KEY"], raise_on_unexpected_status=True
)
app = SignedInClient(
    base_url=server,
    token=os.environ["ACCESS_TOKEN"],
    headers={"apikey": os.environ["SITE_KEY"]},
    raise_on_unexpected_status=True,
)

# Who: by the beginning of the address.
(user,) = list_users.sync(client=admin, email=email).items
assert user.id == UUID(os.environ["USER_ID"]), user

# Their session ends at once.
assert get_user.sync(client=app).email == email
(session,) = list_sessions.sync(client=admin, id=user.id).items
assert revoke_session.sync_detailed(client=admin, id=session.id).status_code == 204
refused = get_user.sync(client=app)
assert refused.error_code == "session_not_found", refused

# Staff of a new library.
library = create_library.sync(
    client=admin, body=CreateLibraryRequest(name="Central Library", code=os.environ["LIBRARY"])
)
grant = GrantStaffRequest(user_id=user.id, role=Role.LIBRARIAN)
record = grant_staff.sync(client=admin, id=library.id, body=grant, idempotency_key=f"staff-{user.id}")
assert (record.role, record.email) == ("librarian", email), record
again = grant_staff.sync(client=admin, id=library.id, body=grant)
assert again.code == "already_exists", again

# What the log says of it.
for event in search_audit.sync(client=admin, target=user.id).items:
    print(event.actor_kind, event.action)
