"""Administering with the published Python client: each call that it has, with the models that it reads answers into.

Run by the story of the same name in tests/sdk, which gives the server's address, a service key and fresh addresses.
"""

import os

from supabase_auth import SyncGoTrueAdminAPI, SyncGoTrueClient
from supabase_auth.errors import AuthApiError

URL = os.environ["AUTH_URL"]
KEY = os.environ["SERVICE_KEY"]
ADDRESSES = iter(os.environ["ADDRESSES"].split(","))

admin = SyncGoTrueAdminAPI(url=URL, headers={"apikey": KEY, "Authorization": f"Bearer {KEY}"})


def client():
    return SyncGoTrueClient(
        url=URL, headers={"apikey": "doorcode_pub_reader_dev"}, auto_refresh_token=False, persist_session=False
    )


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except AuthApiError as error:
        assert error.code == code, error.to_dict()
    else:
        raise AssertionError(f"{call.__name__} was not refused")


# Made, found, changed, deleted.
email = next(ADDRESSES)
user = admin.create_user({"email": email, "user_metadata": {"name": "Ada"}, "app_metadata": {"plan": "x"}}).user
assert (user.email, user.user_metadata, user.role) == (email, {"name": "Ada"}, "authenticated"), user
assert user.app_metadata == {"plan": "x", "provider": "email", "providers": ["email"]}, user
refused("email_exists", admin.create_user, {"email": email})
assert admin.get_user_by_id(user.id).user.id == user.id
changed = admin.update_user_by_id(user.id, {"user_metadata": {"name": "Countess"}, "email_confirm": True}).user
assert changed.user_metadata["name"] == "Countess" and changed.email_confirmed_at, changed
assert any(one.id == user.id for one in admin.list_users())
assert len(admin.list_users(page=1, per_page=1)) == 1
admin.update_user_by_id(user.id, {"ban_duration": "24h"})
admin.update_user_by_id(user.id, {"ban_duration": "none"})
assert admin._list_factors({"user_id": user.id}) is not None
admin.delete_user(user.id)
refused("user_not_found", admin.get_user_by_id, user.id)
husk = admin.create_user({"email": next(ADDRESSES)}).user
admin.delete_user(husk.id, should_soft_delete=True)
assert "deleted.invalid" in admin.get_user_by_id(husk.id).user.email

# Invited.
email = next(ADDRESSES)
invited = admin.invite_user_by_email(email, {"data": {"name": "Eve"}}).user
assert invited.invited_at and invited.confirmation_sent_at and invited.email == email, invited

# Links of every kind, each used with the client.
email = next(ADDRESSES)
refused("user_not_found", admin.generate_link, {"type": "recovery", "email": email})
link = admin.generate_link({"type": "signup", "email": email, "password": "x", "options": {"data": {"a": 1}}})
assert link.user.user_metadata == {"a": 1} and link.properties.verification_type == "signup", link
session = client().verify_otp({"token_hash": link.properties.hashed_token, "type": "signup"}).session
assert session and session.user.email == email
for kind in ("magiclink", "recovery"):
    link = admin.generate_link({"type": kind, "email": email}).properties
    assert link.verification_type == kind and link.action_link.startswith("http"), link
    session = client().verify_otp({"email": email, "token": link.email_otp, "type": kind}).session
    assert session and session.user.email == email
invite = admin.generate_link({"type": "invite", "email": next(ADDRESSES)})
assert invite.user.invited_at and invite.properties.verification_type == "invite", invite
new_email = next(ADDRESSES)
for kind in ("email_change_current", "email_change_new"):
    half = admin.generate_link({"type": kind, "email": email, "new_email": new_email})
    assert half.properties.verification_type == kind, half

# Signed out by their access token.
admin.sign_out(session.access_token)
refused("session_not_found", client().get_user, session.access_token)
print("every call was answered")
