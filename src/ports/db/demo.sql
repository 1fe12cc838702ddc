-- The reference set: 57 people, five libraries, four to six staff at each. Run once on an empty database, by its owner.
--
-- Every address is ROLE-NUMBER@demo.example, so that anybody can sign in as any role and read the code in the inbox.

do $$
begin
    if exists (select from auth.users) or exists (select from public.libraries) then
        raise exception using errcode = 'DC002', message = 'not_empty';
    end if;
end
$$;

with kinds (kind, number) as (
    values ('system', 2), ('owner', 5), ('manager', 8), ('librarian', 12), ('volunteer', 15), ('reader', 15)
), names (name, place) as (
    select * from unnest(array[
        'Ada Lovelace', 'Nguyễn Thị Ánh', 'Grace Hopper', 'Trần Văn Bình', 'Jorge Borges', 'Lê Thị Cúc',
        'Hypatia Theon', 'Phạm Quốc Dũng', 'Melvil Dewey', 'Hoàng Thị Én', 'Audre Lorde', 'Vũ Minh Giang',
        'Callimachus Cyrene', 'Đặng Thu Hà', 'Eratosthenes Aglaos', 'Bùi Thanh Hương', 'S. R. Ranganathan',
        'Đỗ Kim Liên', 'Pura Belpré', 'Hồ Ngọc Mai'
    ]) with ordinality as listed (name, place)
), people as (
    select kind || '-' || n || '@demo.example' as email, kind,
           row_number() over (order by array_position(
               array['system', 'owner', 'manager', 'librarian', 'volunteer', 'reader'], kind), n) as place
      from kinds, generate_series(1, number) as n
)
insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data, locale)
select gen_random_uuid(), people.email, now(),
       jsonb_build_object('email', people.email, 'email_verified', true, 'display_name', names.name),
       case when people.place % 2 = 0 then 'vi' else 'en' end
  from people
  join names on names.place = (people.place - 1) % 20 + 1;

insert into public.libraries (name, code, address, contact_info)
values
    ('Central Library', 'central', '{"city": "Hà Nội", "country": "VN"}', '{"email": "central@demo.example"}'),
    ('Riverside Reading Room', 'riverside', '{"city": "Huế", "country": "VN"}', '{"email": "riverside@demo.example"}'),
    ('Old Town Library', 'old-town', '{"city": "Hội An", "country": "VN"}', '{"email": "old-town@demo.example"}'),
    ('University Library', 'university', '{"city": "Đà Nẵng", "country": "VN"}', '{"email": "university@demo.example"}'),
    ('Children''s Library', 'children', '{"city": "Cần Thơ", "country": "VN"}', '{"email": "children@demo.example"}');

with numbered as (
    select id, row_number() over (order by code) as place from public.libraries
), posts (place, email, role) as (
    -- One owner each, a manager each and two more, a librarian each and two more, volunteers at all but the last.
    select n, 'owner-' || n, 'owner' from generate_series(1, 5) as n
    union all select n, 'manager-' || n, 'manager' from generate_series(1, 5) as n
    union all select n - 5, 'manager-' || n, 'manager' from generate_series(6, 7) as n
    union all select n, 'librarian-' || n, 'librarian' from generate_series(1, 5) as n
    union all select n - 5, 'librarian-' || n, 'librarian' from generate_series(6, 7) as n
    union all select n, 'volunteer-' || n, 'volunteer' from generate_series(1, 5) as n
    -- Holding several libraries is normal.
    union all select 3, 'librarian-1', 'librarian'
)
insert into public.library_staff (user_id, library_id, role)
select users.id, numbered.id, posts.role
  from posts
  join numbered on numbered.place = posts.place
  join auth.users users on users.email = posts.email || '@demo.example';
