-- A small shop to copy from, and an empty warehouse to copy into. Safe to run again.
DROP SCHEMA IF EXISTS shop, warehouse CASCADE;
CREATE SCHEMA shop;
CREATE SCHEMA warehouse;

CREATE TYPE shop.order_status AS ENUM ('placed', 'paid', 'shipped', 'returned');

CREATE TABLE shop.products (
    id integer PRIMARY KEY,
    name text NOT NULL,
    price numeric(12, 2) NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    attributes jsonb
);

CREATE TABLE shop.orders (
    id bigint PRIMARY KEY,
    product_id integer NOT NULL REFERENCES shop.products,
    status shop.order_status NOT NULL,
    amount numeric(12, 2) NOT NULL,
    delivery interval,
    updated_at timestamptz NOT NULL
);
CREATE INDEX ON shop.orders (updated_at);

INSERT INTO shop.products
SELECT i, 'Product ' || i, (i * 7 % 1000) / 10.0 + 1, ARRAY['size ' || i % 5, 'new'],
    jsonb_build_object('weight', i * 1.50)
FROM generate_series(1, 200) AS i;

INSERT INTO shop.orders
SELECT i, i % 200 + 1, (enum_range(NULL::shop.order_status))[i % 4 + 1], (i % 5000) / 100.0 + 0.01,
    make_interval(days => i % 9), timestamptz '2024-01-01 00:00:00Z' + i * interval '7 seconds'
FROM generate_series(1, 20000) AS i;
