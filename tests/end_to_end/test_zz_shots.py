import os,pytest
from tests.full_house import furnish_house, sign_in
from alerts.models import *
pytestmark=[pytest.mark.browser,pytest.mark.django_db(transaction=True)]
from axe_playwright_python.sync_playwright import Axe
def test_shots(settings, alstyle, tmp_path, live_server, chromium):
    furnish_house(settings, alstyle, tmp_path/"feed"); sign_in("owner","a-long-password")
    a=Alert.objects.open().latest("pk"); acked=Alert.objects.filter(acknowledged_at__isnull=False)[0]
    c=Channel.objects.latest("pk"); n=Notice.objects.latest("pk")
    urls={"list":"/admin/alerts/alert/","all":"/admin/alerts/alert/?state=all","alert":f"/admin/alerts/alert/{acked.pk}/change/","alert2":f"/admin/alerts/alert/{a.pk}/change/","channels":"/admin/alerts/channel/","channel":f"/admin/alerts/channel/{c.pk}/change/","add":"/admin/alerts/channel/add/","notices":"/admin/alerts/notice/","notice":f"/admin/alerts/notice/{n.pk}/change/"}
    for w,s in ((1440,"light"),(390,"dark")):
        ctx=chromium.new_context(viewport={"width":w,"height":900},color_scheme=s,locale="ru-RU"); page=ctx.new_page()
        page.goto(live_server.url+"/admin/login/"); page.fill("#id_username","owner"); page.fill("#id_password","a-long-password"); page.click("#login-form [type=submit]")
        for name,u in urls.items():
            page.goto(live_server.url+u); page.screenshot(path=f"/tmp/al/{name}-{w}.png",full_page=True)
            print(name,w,page.evaluate("document.documentElement.scrollWidth"),[(v["id"],[x["html"][:150] for x in v["nodes"]]) for v in Axe().run(page,options={"resultTypes":["violations"]}).response["violations"]])
        ctx.close()
